"""What the orders' routes answer."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.serializers import Address, AllowedActions, Choice, CurrencyCode, MoneyOut, TaxRate
from orders import selectors
from orders.models import Order
from orders.serializers.bodies import ITEM_ID, Item

BY = {"by": "user_789", "at": "2025-11-23T15:07:00Z"}  # in examples


class AllocationOut(serializers.Serializer[Any]):
    """Units that Inventory has reserved in a warehouse."""

    warehouse_id = serializers.CharField()
    quantity = serializers.IntegerField()


class OrderItemOut(serializers.Serializer[Any]):
    """A line: what was bought, what it costs, and how far its units have come."""

    example = {
        **Item.example,
        "id": ITEM_ID,
        "cancelled": 0,
        "shipped": 0,
        "delivered": 0,
        "returned": 0,
        "net": "50.00",
        "discount": "5.00",
        "tax": "7.20",
        "total": "52.20",
        "allocations": [{"warehouse_id": "wh_north", "quantity": 4}],
    }
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
    allocations = AllocationOut(many=True, source="allocated")


class ShippingOut(serializers.Serializer[Any]):
    """How it is sent, and what that costs."""

    carrier = serializers.CharField(allow_null=True)
    service = serializers.CharField(allow_null=True)
    signature_required = serializers.BooleanField()
    cost = MoneyOut(source="shipping_cost")
    tax_rate = TaxRate(source="shipping_tax_rate")
    tax = MoneyOut(source="shipping_tax")


class DiscountOut(serializers.Serializer[Any]):
    """What was taken off the items."""

    amount = MoneyOut(source="discount")
    reason = serializers.CharField(source="discount_reason", allow_null=True)


class HoldOut(serializers.Serializer[Any]):
    """Who keeps it from being fulfilled, when and why."""

    reason = Choice(Order.HoldReason, "HoldReason", source="hold_reason")
    note = serializers.CharField(source="hold_note")
    by = serializers.CharField(source="held_by")
    at = serializers.DateTimeField(source="held_at")


class CancellationOut(serializers.Serializer[Any]):
    """Who cancelled it, when and why."""

    reason = Choice(Order.CancellationReason, "CancellationReason", source="cancellation_reason")
    note = serializers.CharField(source="cancellation_note")
    by = serializers.CharField(source="cancelled_by")
    at = serializers.DateTimeField(source="cancelled_at")


class OrderOut(serializers.Serializer[Any]):
    """An order."""

    example = {
        "id": "order_01JCZ5B2QH8M3T6R9W1K4X7V0B",
        "number": "ORD-2025-0001",
        "status": "placed",
        "payment_status": "unpaid",
        "fulfillment_status": "unfulfilled",
        "return_status": "none",
        "cart_id": "cart_01JCZ4Q8M3V7T2R9K5X1B6N0AW",
        "replaces": None,
        "customer_id": "cust_ana",
        "customer_email": "ana@example.com",
        "local_id": None,
        "currency": "USD",
        "items": [OrderItemOut.example],
        "shipping_address": Address.example,
        "billing_address": None,
        "shipping": {
            "carrier": "FedEx",
            "service": "Ground",
            "signature_required": False,
            "cost": "9.90",
            "tax_rate": "0.16",
            "tax": "1.58",
        },
        "discount": {"amount": "5.00", "reason": "loyalty"},
        "subtotal": "50.00",
        "tax": "8.78",
        "total": "63.68",
        "reservation_id": "res_8f2c41d7",
        "reservation_expires_at": "2025-11-23T15:20:00Z",
        "payment_id": None,
        "hold": None,
        "cancellation": None,
        "placed_at": "2025-11-23T15:05:00Z",
        "confirmed_at": None,
        "delivered_at": None,
        "created_at": "2025-11-23T15:05:00Z",
        "updated_at": "2025-11-23T15:05:01Z",
        "allowed_actions": ["reservation", "cancel", "hold"],
    }
    placed: ClassVar[dict[str, Any]] = {
        "items": [{**OrderItemOut.example, "allocations": []}],
        "reservation_id": None,
    }
    opened: ClassVar[dict[str, Any]] = {
        **placed,
        "status": "pending",
        "cart_id": None,
        "reservation_expires_at": None,
        "placed_at": None,
        "allowed_actions": ["place", "cancel", "hold"],
    }
    held: ClassVar[dict[str, Any]] = {
        "hold": {"reason": "address", "note": "There is no such street in Puebla.", **BY},
        "allowed_actions": ["reservation", "cancel", "release"],
    }
    cancelled: ClassVar[dict[str, Any]] = {
        "status": "cancelled",
        "cancellation": {"reason": "customer_request", "note": "", **BY},
        "allowed_actions": [],
    }
    written_off: ClassVar[dict[str, Any]] = {
        "status": "confirmed",
        "payment_status": "paid",
        "payment_id": "pay_01JCZ5D0KQ3N6R9V2X5Z8B1E4G",
        "confirmed_at": "2025-11-23T15:06:00Z",
        "items": [{**OrderItemOut.example, "cancelled": 1}],
        "allowed_actions": ["reservation", "cancel", "hold", "write-off"],
    }
    id = serializers.CharField()
    number = serializers.CharField()
    status = Choice(Order.Status, "OrderStatus")
    payment_status = serializers.SerializerMethodField()
    fulfillment_status = serializers.SerializerMethodField()
    return_status = serializers.SerializerMethodField()
    cart_id = serializers.CharField(allow_null=True)
    replaces = serializers.CharField(source="replaces_id", allow_null=True)
    customer_id = serializers.CharField(allow_null=True)
    customer_email = serializers.CharField(allow_null=True)
    local_id = serializers.CharField(allow_null=True)
    currency = CurrencyCode()
    items = OrderItemOut(source="lines", many=True)
    shipping_address = Address(allow_null=True)
    billing_address = Address(allow_null=True)
    shipping = ShippingOut(source="*")
    discount = DiscountOut(source="*")
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
    allowed_actions = AllowedActions(Order)

    get_payment_status = staticmethod(selectors.payment_status)
    get_fulfillment_status = staticmethod(selectors.fulfillment_status)
    get_return_status = staticmethod(selectors.return_status)

    @extend_schema_field(HoldOut(allow_null=True))
    def get_hold(self, order: Order) -> dict[str, Any] | None:
        return HoldOut(order).data if order.held_at else None

    @extend_schema_field(CancellationOut(allow_null=True))
    def get_cancellation(self, order: Order) -> dict[str, Any] | None:
        return CancellationOut(order).data if order.cancelled_at else None
