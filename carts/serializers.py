"""The requests and responses of the carts' API."""

from typing import Any

from rest_framework import serializers

from carts import models
from config.api.serializers import (
    Body,
    Choice,
    CurrencyCode,
    ExternalId,
    MoneyOut,
    OwnId,
    Quantity,
    TaxRate,
)
from events.serializers import AllowedActions
from orders.serializers import Locale, OrderItemCreate, OrderTerms


class CartCreate(Body):
    """The owner of a new cart: a customer, a session, or both."""

    example = {"customer_id": "cust_ana", "currency": "USD"}
    customer_id = ExternalId(required=False, allow_null=True)
    session_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    locale = Locale(required=False, allow_null=True)
    currency = CurrencyCode()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("customer_id") or attrs.get("session_id")):
            raise serializers.ValidationError("A customer_id or a session_id is required.")
        return attrs


class CartItemCreate(OrderItemCreate, Body):
    """A quantity of one variant. `unit_price` is before tax, in the cart's currency."""


class CartItemUpdate(Body):
    """The new quantity of a line."""

    example = {"quantity": 3}
    quantity = Quantity()


class CartMerge(Body):
    """The customer's cart that takes over the lines."""

    example = {"into": "cart_01JCZ4Q8M3V7T2R9K5X1B6N0AW"}
    into = OwnId(models.Cart.objects.all)


class Checkout(OrderTerms):
    """Addresses, shipping, discount and payment method of the order that a cart becomes.

    `locale` defaults to the cart's.
    """


class CartItem(serializers.Serializer):
    """A line: one variant at one price."""

    id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyOut(currency="cart.currency")
    tax_rate = TaxRate()
    preferred_warehouse_id = serializers.CharField(allow_null=True)


class Cart(serializers.Serializer):
    """A cart with its lines and state."""

    id = serializers.CharField()
    status = Choice(models.Cart.Status, "CartStatus")
    customer_id = serializers.CharField(allow_null=True)
    session_id = serializers.CharField(allow_null=True)
    local_id = serializers.CharField(allow_null=True)
    locale = serializers.CharField(
        allow_null=True, help_text="Null: documents are in the language of the organization."
    )
    currency = CurrencyCode()
    items = CartItem(source="lines", many=True)
    items_count = serializers.IntegerField()
    value = MoneyOut()
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
