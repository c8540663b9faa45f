"""What the orders' routes take."""

from collections import Counter
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from config.api.serializers import (
    Address,
    Body,
    Choice,
    CurrencyCode,
    ExternalId,
    MoneyIn,
    OwnId,
    Quantity,
    StrictSerializer,
    TaxRate,
)
from orders.models import Order

MAX_ITEMS = 500
MAX_ALLOCATIONS = 1_000
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"  # in examples


class Item(StrictSerializer):
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


class NewItem(Item, Body):
    """Units of a variant for a cart."""


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


class Terms(Body):
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
    shipping = Shipping(required=False, allow_null=True)
    discount = Discount(required=False, allow_null=True)


class NewOrder(Terms):
    """An order that was no cart before."""

    example = {
        "customer_id": "cust_ana",
        "currency": "USD",
        "items": [Item.example],
        **Terms.example,
    }
    customer_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    currency = CurrencyCode()
    items = serializers.ListField(child=Item(), min_length=1, max_length=MAX_ITEMS)
    replaces = OwnId(Order.objects.all, required=False, allow_null=True)


class AllocationIn(StrictSerializer):
    """Units of a line that a warehouse is to send."""

    order_item_id = ExternalId()
    warehouse_id = ExternalId()
    quantity = Quantity()


class Reservation(Body):
    """Inventory's answer: where the units come from, or that there are none."""

    example = {
        "reservation_id": "res_8f2c41d7",
        "allocations": [{"order_item_id": ITEM_ID, "warehouse_id": "wh_north", "quantity": 4}],
    }
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


class Cancellation(Body):
    """Why it will not be delivered."""

    example = {"reason": "customer_request"}
    reason = Choice(Order.CancellationReason, "CancellationReason")


class Units(StrictSerializer):
    """Units of a line."""

    order_item_id = ExternalId()
    quantity = Quantity()


class WriteOff(Body):
    """Units that will never ship, and why."""

    example = {"items": [{"order_item_id": ITEM_ID, "quantity": 1}], "reason": "out_of_stock"}
    items = serializers.ListField(child=Units(), min_length=1, max_length=MAX_ITEMS)
    reason = Choice(Order.CancellationReason, "CancellationReason")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """How many units of which line; a line that is named twice counts twice."""
        units = Counter[str]()
        for item in attrs["items"]:
            units[item["order_item_id"]] += item["quantity"]
        return {"units": dict(units), "reason": attrs["reason"]}


class Hold(Body):
    """Why somebody has to look at it first."""

    example = {"reason": "address", "note": "There is no such street in Puebla."}
    reason = Choice(Order.HoldReason, "HoldReason")
    note = serializers.CharField(max_length=500, default="", allow_blank=True)
