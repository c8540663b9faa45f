"""The requests and responses of the orders' API."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.serializers import (
    Address,
    Body,
    Choice,
    CurrencyCode,
    ExternalId,
    ItemList,
    ItemQuantities,
    MoneyIn,
    MoneyOut,
    OwnId,
    Quantity,
    StrictSerializer,
    TaxRate,
)
from config.pdf.language import is_known
from events.serializers import AllowedActions
from orders import models, selectors

MAX_ITEMS = 500
MAX_ALLOCATIONS = 1_000
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"  # in examples
CancellationReason = models.Order.CancellationReason
RESERVED_REASONS = (CancellationReason.PAYMENT_FAILED, CancellationReason.RESERVATION_EXPIRED)


class OrderItemCreate(StrictSerializer):
    """A quantity of one variant. `unit_price` is before tax."""

    example = {
        "variant_id": "var_mug",
        "title": "Stoneware mug",
        "quantity": 4,
        "unit_price": "12.50",
        "tax_rate": "0.16",
        "preferred_warehouse_id": "wh_north",
    }
    variant_id = ExternalId()
    title = serializers.CharField(max_length=255)
    quantity = Quantity()
    unit_price = MoneyIn()
    tax_rate = TaxRate(default=Decimal(0))
    preferred_warehouse_id = ExternalId(default=None, allow_null=True)


class CheckoutShipping(StrictSerializer):
    """The carrier and service that the customer chose, and their price before tax."""

    carrier = serializers.CharField(max_length=64, required=False, allow_null=True)
    service = serializers.CharField(max_length=64, required=False, allow_null=True)
    cost = MoneyIn(default=Decimal(0))
    tax_rate = TaxRate(default=Decimal(0))
    signature_required = serializers.BooleanField(default=False)


class CheckoutDiscount(StrictSerializer):
    """One amount taken off the items, before tax."""

    amount = MoneyIn()
    reason = serializers.CharField(max_length=200, required=False, allow_null=True)


class OrderPlace(Body):
    """The payment method, if it is not the one that the order was opened with."""

    example = {"payment_method": "manual"}
    payment_method = Choice(
        models.Order.PaymentMethod,
        "PaymentMethod",
        required=False,
        allow_null=True,
        help_text="What the customer chose. With `manual`, the order waits for the days of a bank "
        "transfer before it is cancelled.",
    )


class Locale(serializers.CharField):
    """The language of the buyer's documents and mails, as a BCP 47 tag: `es`, `es-MX`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "max_length": 20})

    def to_internal_value(self, data: Any) -> str:
        """Refuse an unknown language."""
        locale: str = super().to_internal_value(data)
        if not is_known(locale):
            raise serializers.ValidationError("Not a known language. Example: es-MX.")
        return locale


class OrderTerms(OrderPlace):
    """Addresses, shipping, discount and payment method of an order."""

    example = {
        "customer_email": "ana@example.com",
        "shipping_address": Address.example,
        "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "9.90", "tax_rate": "0.16"},
        "discount": {"amount": "5.00", "reason": "loyalty"},
        "payment_method": "stripe",
    }
    customer_email = serializers.EmailField(max_length=254, required=False, allow_null=True)
    locale = Locale(required=False, allow_null=True)
    shipping_address = Address(required=False, allow_null=True)
    billing_address = Address(required=False, allow_null=True)
    shipping = CheckoutShipping(required=False, allow_null=True)
    discount = CheckoutDiscount(required=False, allow_null=True)


class OrderCreate(OrderTerms):
    """An order that does not come from a cart."""

    example = {
        "customer_id": "cust_ana",
        "currency": "USD",
        "items": [OrderItemCreate.example],
        **OrderTerms.example,
    }
    customer_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    currency = CurrencyCode()
    items = ItemList(child=OrderItemCreate(), min_length=1, max_length=MAX_ITEMS)
    replaces = OwnId(models.Order.objects.all, required=False, allow_null=True)


class AllocationCreate(StrictSerializer):
    """A quantity of an order item or of a variant, reserved in one warehouse."""

    order_item_id = ExternalId(required=False)
    variant_id = ExternalId(
        required=False,
        help_text="Instead of `order_item_id`, if only one line of the order has this variant.",
    )
    warehouse_id = ExternalId()
    quantity = Quantity()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("order_item_id" in attrs) == ("variant_id" in attrs):
            raise serializers.ValidationError("Give either order_item_id or variant_id.")
        return attrs


class OrderReservation(Body):
    """Inventory's response: a reservation with its allocations, or a rejection.

    A reservation lists all of its allocations; they replace those of the earlier one. If units of
    the order are back-ordered, a further reservation, with another id, lists those that it adds;
    its rejection writes off the units that are back-ordered.
    """

    example = {
        "reservation_id": "res_8f2c41d7",
        "allocations": [{"order_item_id": ITEM_ID, "warehouse_id": "wh_north", "quantity": 4}],
    }
    reservation_id = ExternalId(
        required=False,
        help_text="May be missing in a rejection while the order holds no reservation.",
    )
    allocations = ItemList(child=AllocationCreate(), required=False, max_length=MAX_ALLOCATIONS)
    rejected = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, default="", allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["rejected"]:
            if "allocations" in attrs:
                raise serializers.ValidationError("A rejection cannot have allocations.")
        elif missing := sorted({"reservation_id", "allocations"} - attrs.keys()):
            raise serializers.ValidationError(dict.fromkeys(missing, "This field is required."))
        return attrs


class ClientReason(serializers.ChoiceField):
    """Why a client cancels an order, or writes units off; only the service gives the others."""

    default_error_messages = {"reserved": "Only the service itself gives the reason {reason}."}

    def __init__(self) -> None:
        super().__init__(
            [
                (value, label)
                for value, label in CancellationReason.choices
                if value not in RESERVED_REASONS
            ]
        )

    def to_internal_value(self, data: Any) -> str:
        if data in RESERVED_REASONS:
            self.fail("reserved", reason=data)
        return super().to_internal_value(data)


class OrderCancel(Body):
    """The reason for the cancellation."""

    example = {"reason": "customer_request"}
    reason = ClientReason()


class OrderWriteOff(Body):
    """Units that will never ship, and the reason."""

    example = {"items": [{"order_item_id": ITEM_ID, "quantity": 1}], "reason": "out_of_stock"}
    items = ItemQuantities()
    reason = ClientReason()


class OrderHold(Body):
    """The reason for the hold."""

    example = {"reason": "address", "note": "There is no such street in Puebla."}
    reason = Choice(models.Order.HoldReason, "HoldReason")
    note = serializers.CharField(max_length=500, default="", allow_blank=True)


class Allocation(serializers.Serializer):
    """A quantity that Inventory reserved in one warehouse."""

    reservation_id = serializers.CharField()
    warehouse_id = serializers.CharField()
    quantity = serializers.IntegerField()


class OrderItem(serializers.Serializer):
    """A line: what was bought, its amounts, and how many of its units are in which state."""

    id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    cancelled = serializers.IntegerField(help_text="Units that are written off.")
    backordered = serializers.IntegerField(
        help_text="Units that are sent after Inventory has reserved them."
    )
    shipped = serializers.IntegerField()
    delivered = serializers.IntegerField()
    returned = serializers.IntegerField()
    unit_price = MoneyOut(currency="order.currency")
    net = MoneyOut(
        currency="order.currency", help_text="Quantity × unit price, before discount and tax."
    )
    discount = MoneyOut(currency="order.currency")
    tax_rate = TaxRate()
    tax = MoneyOut(currency="order.currency")
    total = MoneyOut(currency="order.currency")
    preferred_warehouse_id = serializers.CharField(allow_null=True)
    allocations = Allocation(many=True, source="allocated")


class OrderShipping(serializers.Serializer):
    """The carrier and service, and their price."""

    carrier = serializers.CharField(allow_null=True)
    service = serializers.CharField(allow_null=True)
    signature_required = serializers.BooleanField()
    cost = MoneyOut(source="shipping_cost")
    tax_rate = TaxRate(source="shipping_tax_rate")
    tax = MoneyOut(source="shipping_tax")


class OrderDiscount(serializers.Serializer):
    """The amount taken off the items, before tax."""

    amount = MoneyOut(source="discount")
    reason = serializers.CharField(source="discount_reason", allow_null=True)


class Hold(serializers.Serializer):
    """Who put the order on hold, when and why."""

    reason = Choice(models.Order.HoldReason, "HoldReason", source="hold_reason")
    note = serializers.CharField(source="hold_note")
    by = serializers.CharField(source="held_by")
    at = serializers.DateTimeField(source="held_at")


class Cancellation(serializers.Serializer):
    """Who cancelled the order, when and why."""

    reason = Choice(CancellationReason, "CancellationReason", source="cancellation_reason")
    note = serializers.CharField(source="cancellation_note")
    by = serializers.CharField(source="cancelled_by")
    at = serializers.DateTimeField(source="cancelled_at")


class Order(serializers.Serializer):
    """An order with its items, amounts and state."""

    id = serializers.CharField()
    number = serializers.CharField()
    status = Choice(models.Order.Status, "OrderStatus")
    payment_status = serializers.SerializerMethodField(
        help_text="Whether the order is paid or refunded. `partially_paid`: the rest is due."
    )
    fulfillment_status = serializers.SerializerMethodField(
        help_text="Which part of the active units is shipped or delivered."
    )
    is_backordered = serializers.BooleanField(
        source="has_backordered_units", help_text="Whether units of some items are back-ordered."
    )
    return_status = serializers.SerializerMethodField(
        help_text="Which part of the delivered units was returned."
    )
    cart_id = serializers.CharField(allow_null=True)
    replaces = serializers.CharField(source="replaces_id", allow_null=True)
    customer_id = serializers.CharField(allow_null=True)
    customer_email = serializers.CharField(allow_null=True)
    locale = serializers.CharField(
        allow_null=True, help_text="Null: documents are in the language of the organization."
    )
    local_id = serializers.CharField(allow_null=True)
    currency = CurrencyCode()
    items = OrderItem(source="lines", many=True)
    shipping_address = Address(allow_null=True)
    billing_address = Address(allow_null=True)
    shipping = OrderShipping(source="*")
    discount = OrderDiscount(source="*")
    subtotal = MoneyOut()
    tax = MoneyOut()
    total = MoneyOut()
    payment_method = Choice(
        models.Order.PaymentMethod,
        "PaymentMethod",
        allow_null=True,
        help_text="What the customer chose when placing the order.",
    )
    reservation_id = serializers.CharField(allow_null=True)
    reservation_expires_at = serializers.DateTimeField(allow_null=True)
    payment_id = serializers.CharField(allow_null=True)
    hold = serializers.SerializerMethodField()
    cancellation = serializers.SerializerMethodField()
    placed_at = serializers.DateTimeField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(
        allow_null=True, help_text="The time of the latest delivery."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Order)

    get_payment_status = staticmethod(selectors.payment_status)
    get_fulfillment_status = staticmethod(selectors.fulfillment_status)
    get_return_status = staticmethod(selectors.return_status)

    @extend_schema_field(Hold(allow_null=True))
    def get_hold(self, order: models.Order) -> dict[str, Any] | None:
        is_shown = order.held_at and not self.context["view"].caller.is_bound
        return Hold(order).data if is_shown else None

    @extend_schema_field(Cancellation(allow_null=True))
    def get_cancellation(self, order: models.Order) -> dict[str, Any] | None:
        return Cancellation(order).data if order.cancelled_at else None
