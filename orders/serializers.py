"""Orders as JSON."""

from collections import Counter
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from config.api.serializers import (
    Address,
    CurrencyCode,
    ExternalId,
    MoneyIn,
    MoneyOut,
    OwnId,
    Quantity,
    StrictSerializer,
    TaxRate,
)
from orders import selectors
from orders.models import Order

MAX_ITEMS = 500
MAX_ALLOCATIONS = 1_000


class NewItem(StrictSerializer):
    """Units of a variant; the price is before tax."""

    variant_id = ExternalId()
    title = serializers.CharField(max_length=255)
    quantity = Quantity()
    unit_price = MoneyIn()
    tax_rate = TaxRate(default=Decimal(0))
    preferred_warehouse_id = ExternalId(default=None, allow_null=True)


class Shipping(StrictSerializer):
    """How the customer wants it sent, and what that costs."""

    carrier = serializers.CharField(max_length=64, required=False, allow_null=True)
    service = serializers.CharField(max_length=64, required=False, allow_null=True)
    cost = MoneyIn(default=Decimal(0))
    tax_rate = TaxRate(default=Decimal(0))
    signature_required = serializers.BooleanField(default=False)


class Discount(StrictSerializer):
    """One amount off the items."""

    amount = MoneyIn()
    reason = serializers.CharField(max_length=200, required=False, allow_null=True)


class Terms(StrictSerializer):
    """What an order needs besides its lines."""

    customer_email = serializers.EmailField(max_length=254, required=False, allow_null=True)
    shipping_address = Address(required=False, allow_null=True)
    billing_address = Address(required=False, allow_null=True)
    shipping = Shipping(required=False, allow_null=True)
    discount = Discount(required=False, allow_null=True)


class NewOrder(Terms):
    """An order that was no cart before."""

    customer_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    currency = CurrencyCode()
    items = serializers.ListField(child=NewItem(), allow_empty=False, max_length=MAX_ITEMS)
    replaces = OwnId(Order.objects.all, required=False, allow_null=True)


class AllocationIn(StrictSerializer):
    """Units of a line that a warehouse is to send."""

    order_item_id = ExternalId()
    warehouse_id = ExternalId()
    quantity = Quantity()


class Reservation(StrictSerializer):
    """Inventory's answer: where the units come from, or that there are none."""

    reservation_id = ExternalId(required=False)
    allocations = serializers.ListField(
        child=AllocationIn(), required=False, max_length=MAX_ALLOCATIONS
    )
    rejected = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, default="", allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["rejected"]:
            if "allocations" in attrs:
                raise serializers.ValidationError("A rejection has no allocations.")
        elif missing := {"reservation_id", "allocations"} - attrs.keys():
            raise serializers.ValidationError(dict.fromkeys(missing, "Required."))
        else:
            places = {(a["order_item_id"], a["warehouse_id"]) for a in attrs["allocations"]}
            if len(places) < len(attrs["allocations"]):
                message = "A line is allocated to the same warehouse twice: add the quantities."
                raise serializers.ValidationError({"allocations": message})
        return attrs


class Cancellation(StrictSerializer):
    """Why it will not be delivered."""

    reason = serializers.ChoiceField(Order.CancellationReason.choices)


class Units(StrictSerializer):
    """Units of a line."""

    order_item_id = ExternalId()
    quantity = Quantity()


class WriteOff(StrictSerializer):
    """Units that will never ship, and why."""

    items = serializers.ListField(child=Units(), allow_empty=False, max_length=MAX_ITEMS)
    reason = serializers.ChoiceField(Order.CancellationReason.choices)


class Hold(StrictSerializer):
    """Why somebody has to look at it first."""

    reason = serializers.ChoiceField(Order.HoldReason.choices)
    note = serializers.CharField(max_length=500, default="", allow_blank=True)


class Nothing(StrictSerializer):
    """A body without fields."""


def total_units(items: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many units of which line; a line that is named twice counts twice."""
    units = Counter[str]()
    for item in items:
        units[item["order_item_id"]] += item["quantity"]
    return dict(units)


class AllocationOut(serializers.Serializer[Any]):
    """Units that Inventory has reserved in a warehouse."""

    warehouse_id = serializers.CharField()
    quantity = serializers.IntegerField()


class OrderItemOut(serializers.Serializer[Any]):
    """A line: what was bought, what it costs, and how far its units have come."""

    id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    shipped = serializers.IntegerField()
    delivered = serializers.IntegerField()
    returned = serializers.IntegerField()
    unit_price = MoneyOut(currency="order.currency")
    net = MoneyOut(currency="order.currency")
    discount = MoneyOut(currency="order.currency")
    tax_rate = TaxRate()
    tax = MoneyOut(currency="order.currency")
    total = MoneyOut(currency="order.currency")
    preferred_warehouse_id = serializers.CharField()
    allocations = AllocationOut(many=True, source="allocated")


class ShippingOut(serializers.Serializer[Any]):
    """How it is sent, and what that costs."""

    carrier = serializers.CharField()
    service = serializers.CharField()
    signature_required = serializers.BooleanField()
    cost = MoneyOut(source="shipping_cost")
    tax_rate = TaxRate(source="shipping_tax_rate")
    tax = MoneyOut(source="shipping_tax")


class DiscountOut(serializers.Serializer[Any]):
    """What was taken off the items."""

    amount = MoneyOut(source="discount")
    reason = serializers.CharField(source="discount_reason")


class HoldOut(serializers.Serializer[Any]):
    """Who keeps it from being fulfilled, when and why."""

    reason = serializers.CharField(source="hold_reason")
    note = serializers.CharField(source="hold_note")
    by = serializers.CharField(source="held_by")
    at = serializers.DateTimeField(source="held_at")


class CancellationOut(serializers.Serializer[Any]):
    """Who cancelled it, when and why."""

    reason = serializers.CharField(source="cancellation_reason")
    note = serializers.CharField(source="cancellation_note")
    by = serializers.CharField(source="cancelled_by")
    at = serializers.DateTimeField(source="cancelled_at")


class OrderOut(serializers.Serializer[Any]):
    """An order."""

    id = serializers.CharField()
    number = serializers.CharField()
    status = serializers.CharField()
    payment_status = serializers.SerializerMethodField()
    fulfillment_status = serializers.SerializerMethodField()
    return_status = serializers.SerializerMethodField()
    cart_id = serializers.CharField()
    replaces = serializers.CharField(source="replaces_id")
    customer_id = serializers.CharField()
    customer_email = serializers.CharField()
    local_id = serializers.CharField()
    currency = serializers.CharField()
    items = OrderItemOut(source="lines", many=True)
    shipping_address = serializers.JSONField()
    billing_address = serializers.JSONField()
    shipping = ShippingOut(source="*")
    discount = DiscountOut(source="*")
    subtotal = MoneyOut()
    tax = MoneyOut()
    total = MoneyOut()
    reservation_id = serializers.CharField()
    reservation_expires_at = serializers.DateTimeField()
    payment_id = serializers.CharField()
    hold = serializers.SerializerMethodField()
    cancellation = serializers.SerializerMethodField()
    placed_at = serializers.DateTimeField()
    confirmed_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(help_text="The latest delivery so far.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = serializers.ListField(child=serializers.CharField())

    get_payment_status = staticmethod(selectors.payment_status)
    get_fulfillment_status = staticmethod(selectors.fulfillment_status)
    get_return_status = staticmethod(selectors.return_status)

    def get_hold(self, order: Order) -> dict[str, Any] | None:
        return HoldOut(order).data if order.held_at else None

    def get_cancellation(self, order: Order) -> dict[str, Any] | None:
        return CancellationOut(order).data if order.cancelled_at else None
