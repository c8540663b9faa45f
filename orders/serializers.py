"""The requests and responses of the orders' API."""

from collections import Counter
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
    MoneyIn,
    MoneyOut,
    OwnId,
    Quantity,
    StrictSerializer,
    TaxRate,
)
from events.serializers import AllowedActions
from orders import models, selectors

MAX_ITEMS = 500
MAX_ALLOCATIONS = 1_000
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"  # in examples


class OrderItemCreate(StrictSerializer):
    """Units of a variant; the price is before tax."""

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
    """How the customer wants it sent, and what that costs."""

    carrier = serializers.CharField(max_length=64, required=False, allow_null=True)
    service = serializers.CharField(max_length=64, required=False, allow_null=True)
    cost = MoneyIn(default=Decimal(0))
    tax_rate = TaxRate(default=Decimal(0))
    signature_required = serializers.BooleanField(default=False)


class CheckoutDiscount(StrictSerializer):
    """One amount off the items."""

    amount = MoneyIn()
    reason = serializers.CharField(max_length=200, required=False, allow_null=True)


class OrderTerms(Body):
    """What an order needs besides its lines."""

    example = {
        "customer_email": "ana@example.com",
        "shipping_address": Address.example,
        "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "9.90", "tax_rate": "0.16"},
        "discount": {"amount": "5.00", "reason": "loyalty"},
    }
    customer_email = serializers.EmailField(max_length=254, required=False, allow_null=True)
    shipping_address = Address(required=False, allow_null=True)
    billing_address = Address(required=False, allow_null=True)
    shipping = CheckoutShipping(required=False, allow_null=True)
    discount = CheckoutDiscount(required=False, allow_null=True)


class OrderCreate(OrderTerms):
    """An order that was no cart before."""

    example = {
        "customer_id": "cust_ana",
        "currency": "USD",
        "items": [OrderItemCreate.example],
        **OrderTerms.example,
    }
    customer_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    currency = CurrencyCode()
    items = serializers.ListField(child=OrderItemCreate(), min_length=1, max_length=MAX_ITEMS)
    replaces = OwnId(models.Order.objects.all, required=False, allow_null=True)


class AllocationCreate(StrictSerializer):
    """Units of a line that a warehouse is to send."""

    order_item_id = ExternalId()
    warehouse_id = ExternalId()
    quantity = Quantity()


class OrderReservation(Body):
    """Inventory's answer: where the units come from, or that there are none."""

    example = {
        "reservation_id": "res_8f2c41d7",
        "allocations": [{"order_item_id": ITEM_ID, "warehouse_id": "wh_north", "quantity": 4}],
    }
    reservation_id = ExternalId(required=False)
    allocations = serializers.ListField(
        child=AllocationCreate(), required=False, max_length=MAX_ALLOCATIONS
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


class OrderCancel(Body):
    """Why it will not be delivered."""

    example = {"reason": "customer_request"}
    reason = Choice(models.Order.CancellationReason, "CancellationReason")


class WriteOffItem(StrictSerializer):
    """Units of a line."""

    order_item_id = ExternalId()
    quantity = Quantity()


class OrderWriteOff(Body):
    """Units that will never ship, and why."""

    example = {"items": [{"order_item_id": ITEM_ID, "quantity": 1}], "reason": "out_of_stock"}
    items = serializers.ListField(child=WriteOffItem(), min_length=1, max_length=MAX_ITEMS)
    reason = Choice(models.Order.CancellationReason, "CancellationReason")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """How many units of which line; a line that is named twice counts twice."""
        units = Counter[str]()
        for item in attrs["items"]:
            units[item["order_item_id"]] += item["quantity"]
        return {"units": dict(units), "reason": attrs["reason"]}


class OrderHold(Body):
    """Why somebody has to look at it first."""

    example = {"reason": "address", "note": "There is no such street in Puebla."}
    reason = Choice(models.Order.HoldReason, "HoldReason")
    note = serializers.CharField(max_length=500, default="", allow_blank=True)


class Allocation(serializers.Serializer[Any]):
    """Units that Inventory has reserved in a warehouse."""

    warehouse_id = serializers.CharField()
    quantity = serializers.IntegerField()


class OrderItem(serializers.Serializer[Any]):
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
    preferred_warehouse_id = serializers.CharField(allow_null=True)
    allocations = Allocation(many=True, source="allocated")


class OrderShipping(serializers.Serializer[Any]):
    """How it is sent, and what that costs."""

    carrier = serializers.CharField(allow_null=True)
    service = serializers.CharField(allow_null=True)
    signature_required = serializers.BooleanField()
    cost = MoneyOut(source="shipping_cost")
    tax_rate = TaxRate(source="shipping_tax_rate")
    tax = MoneyOut(source="shipping_tax")


class OrderDiscount(serializers.Serializer[Any]):
    """What was taken off the items."""

    amount = MoneyOut(source="discount")
    reason = serializers.CharField(source="discount_reason", allow_null=True)


class Hold(serializers.Serializer[Any]):
    """Who keeps it from being fulfilled, when and why."""

    reason = Choice(models.Order.HoldReason, "HoldReason", source="hold_reason")
    note = serializers.CharField(source="hold_note")
    by = serializers.CharField(source="held_by")
    at = serializers.DateTimeField(source="held_at")


class Cancellation(serializers.Serializer[Any]):
    """Who cancelled it, when and why."""

    reason = Choice(
        models.Order.CancellationReason, "CancellationReason", source="cancellation_reason"
    )
    note = serializers.CharField(source="cancellation_note")
    by = serializers.CharField(source="cancelled_by")
    at = serializers.DateTimeField(source="cancelled_at")


class Order(serializers.Serializer[Any]):
    """An order."""

    id = serializers.CharField()
    number = serializers.CharField()
    status = Choice(models.Order.Status, "OrderStatus")
    payment_status = serializers.SerializerMethodField()
    fulfillment_status = serializers.SerializerMethodField()
    return_status = serializers.SerializerMethodField()
    cart_id = serializers.CharField(allow_null=True)
    replaces = serializers.CharField(source="replaces_id", allow_null=True)
    customer_id = serializers.CharField(allow_null=True)
    customer_email = serializers.CharField(allow_null=True)
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
    reservation_id = serializers.CharField(allow_null=True)
    reservation_expires_at = serializers.DateTimeField(allow_null=True)
    payment_id = serializers.CharField(allow_null=True)
    hold = serializers.SerializerMethodField()
    cancellation = serializers.SerializerMethodField()
    placed_at = serializers.DateTimeField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True, help_text="The latest so far.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Order)

    get_payment_status = staticmethod(selectors.payment_status)
    get_fulfillment_status = staticmethod(selectors.fulfillment_status)
    get_return_status = staticmethod(selectors.return_status)

    @extend_schema_field(Hold(allow_null=True))
    def get_hold(self, order: models.Order) -> dict[str, Any] | None:
        return Hold(order).data if order.held_at else None

    @extend_schema_field(Cancellation(allow_null=True))
    def get_cancellation(self, order: models.Order) -> dict[str, Any] | None:
        return Cancellation(order).data if order.cancelled_at else None
