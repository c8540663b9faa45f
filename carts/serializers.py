"""The requests and responses of the carts' API."""

from typing import Any

from rest_framework import serializers

from carts import models
from config.api.client_data import ClientData, ClientDataCreate, PurchaseOrderNumber
from config.api.serializers import (
    Body,
    Choice,
    CurrencyCode,
    ExternalId,
    MoneyOut,
    OwnId,
    Quantity,
    TaxRate,
    UnitPriceOut,
)
from events.serializers import AllowedActions
from orders.serializers import (
    CheckoutDiscount,
    Exemption,
    ExemptionNoteOut,
    LineDiscount,
    Locale,
    NamedTax,
    NamedTaxes,
    OrderItemCreate,
    OrderTerms,
    TaxInclusive,
)


class CartCreate(ClientDataCreate, Body):
    """The owner of a new cart: a customer, a session, or both."""

    example = {"customer_id": "cust_ana", "currency": "USD"}
    customer_id = ExternalId(required=False, allow_null=True)
    session_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    locale = Locale(required=False, allow_null=True)
    currency = CurrencyCode()
    tax_inclusive = TaxInclusive()
    purchase_order_number = PurchaseOrderNumber()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("customer_id") or attrs.get("session_id")):
            raise serializers.ValidationError("A customer_id or a session_id is required.")
        return attrs


class CartItemCreate(OrderItemCreate, Body):
    """A quantity of one variant, in the cart's currency.

    `unit_price` and the discount are before tax, or include tax if the cart is tax-inclusive.
    """


class CartItemUpdate(Body):
    """The new quantity of a line, and its discount if it changes."""

    example = {"quantity": 3}
    quantity = Quantity()
    discount = CheckoutDiscount(
        required=False, allow_null=True, help_text="On the line; an amount of 0 removes it."
    )


class CartMerge(Body):
    """The customer's cart that takes over the lines."""

    example = {"into": "cart_01JCZ4Q8M3V7T2R9K5X1B6N0AW"}
    into = OwnId(models.Cart.objects.all)


class Checkout(OrderTerms):
    """Addresses, shipping, discount and payment method of the order that a cart becomes.

    `locale`, `purchase_order_number`, metadata, reference and notes default to the cart's.
    """


class CartDiscount(LineDiscount):
    """The discount of a line."""

    amount = MoneyOut(source="line_discount", currency="cart.currency")


class CartItem(ClientData):
    """A line: one variant at one price, with what else makes it different."""

    id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = UnitPriceOut(currency="cart.currency")
    discount = CartDiscount(source="*")
    tax_rate = TaxRate(help_text="A fraction: `0.16` is 16 %. Of several taxes, their sum.")
    taxes = NamedTaxes(child=NamedTax())
    tax_exemption = Exemption(source="taxes", read_only=True)
    tax_note = ExemptionNoteOut(source="taxes")
    preferred_warehouse_id = serializers.CharField(allow_null=True)


class Cart(ClientData):
    """A cart with its lines and state."""

    id = serializers.CharField()
    status = Choice(models.Cart.Status, "CartStatus")
    customer_id = serializers.CharField(allow_null=True)
    session_id = serializers.CharField(allow_null=True)
    local_id = serializers.CharField(allow_null=True)
    locale = serializers.CharField(
        allow_null=True, help_text="Null: documents are in the language of the organization."
    )
    purchase_order_number = serializers.CharField(allow_null=True)
    currency = CurrencyCode()
    tax_inclusive = serializers.BooleanField(help_text="Whether prices and discounts include tax.")
    items = CartItem(source="lines", many=True)
    items_count = serializers.IntegerField()
    value = MoneyOut(help_text="The sum of quantity × unit price, before discounts.")
    order_id = serializers.CharField(allow_null=True)
    merged_into = serializers.CharField(source="merged_into_id", allow_null=True)
    last_activity_at = serializers.DateTimeField()
    abandoned_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Cart)


class CartSummary(Cart):
    """A cart of a list, which is read with its sums instead of its lines."""

    items_count = serializers.IntegerField(source="units")
    value = MoneyOut(source="amount")
