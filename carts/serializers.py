"""Carts as JSON."""

from typing import Any

from rest_framework import serializers

from carts.models import Cart
from config.api.serializers import (
    AllowedActions,
    Body,
    Choice,
    CurrencyCode,
    ExternalId,
    MoneyOut,
    OwnId,
    Quantity,
    TaxRate,
)


class NewCart(Body):
    """Whose cart it is: a customer's, a session's, or both."""

    example = {"customer_id": "cust_ana", "currency": "USD"}
    customer_id = ExternalId(required=False, allow_null=True)
    session_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    currency = CurrencyCode()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("customer_id") or attrs.get("session_id")):
            raise serializers.ValidationError("Give a customer_id, a session_id, or both.")
        return attrs


class ItemChange(Body):
    """The quantity that the line is to have."""

    example = {"quantity": 3}
    quantity = Quantity()


class Merge(Body):
    """The customer's cart that takes over the lines."""

    example = {"into": "cart_01JCZ4Q8M3V7T2R9K5X1B6N0AW"}
    into = OwnId(Cart.objects.all)


class CartItemOut(serializers.Serializer[Any]):
    """A line."""

    example = {
        "id": "item_01JCZ4R5F8D2G6H0J4K7M1N3PQ",
        "variant_id": "var_mug",
        "title": "Stoneware mug",
        "quantity": 4,
        "unit_price": "12.50",
        "tax_rate": "0.16",
        "preferred_warehouse_id": "wh_north",
    }
    id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyOut(currency="cart.currency")
    tax_rate = TaxRate()
    preferred_warehouse_id = serializers.CharField(allow_null=True)


class CartOut(serializers.Serializer[Any]):
    """A cart."""

    example = {
        "id": "cart_01JCZ4Q8M3V7T2R9K5X1B6N0AW",
        "status": "active",
        "customer_id": "cust_ana",
        "session_id": None,
        "local_id": None,
        "currency": "USD",
        "items": [CartItemOut.example],
        "items_count": 4,
        "value": "50.00",
        "order_id": None,
        "merged_into": None,
        "last_activity_at": "2025-11-23T15:02:00Z",
        "abandoned_at": None,
        "created_at": "2025-11-23T15:00:00Z",
        "updated_at": "2025-11-23T15:02:00Z",
        "allowed_actions": ["add_item", "change_item", "remove_item", "merge", "checkout"],
    }
    empty = {
        "items": [],
        "items_count": 0,
        "value": "0.00",
        "allowed_actions": ["add_item", "change_item", "remove_item", "merge"],
    }
    changed = {
        "items": [{**CartItemOut.example, **ItemChange.example}],
        "items_count": 3,
        "value": "37.50",
    }
    id = serializers.CharField()
    status = Choice(Cart.Status, "CartStatus")
    customer_id = serializers.CharField(allow_null=True)
    session_id = serializers.CharField(allow_null=True)
    local_id = serializers.CharField(allow_null=True)
    currency = CurrencyCode()
    items = CartItemOut(source="lines", many=True)
    items_count = serializers.IntegerField()
    value = MoneyOut()
    order_id = serializers.CharField(allow_null=True)
    merged_into = serializers.CharField(source="merged_into_id", allow_null=True)
    last_activity_at = serializers.DateTimeField()
    abandoned_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(Cart)
