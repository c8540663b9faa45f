"""Carts as JSON."""

from typing import Any

from rest_framework import serializers

from carts.models import Cart
from config.api.serializers import (
    CurrencyCode,
    ExternalId,
    MoneyOut,
    OwnId,
    Quantity,
    StrictSerializer,
    TaxRate,
)


class NewCart(StrictSerializer):
    """Whose cart it is: a customer's, a session's, or both."""

    customer_id = ExternalId(required=False, allow_null=True)
    session_id = ExternalId(required=False, allow_null=True)
    local_id = ExternalId(required=False, allow_null=True)
    currency = CurrencyCode()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("customer_id") or attrs.get("session_id")):
            raise serializers.ValidationError("Give a customer_id, a session_id, or both.")
        return attrs


class ItemChange(StrictSerializer):
    """The quantity that the line is to have."""

    quantity = Quantity()


class Merge(StrictSerializer):
    """The customer's cart that takes over the lines."""

    into = OwnId(Cart.objects.all)


class CartItemOut(serializers.Serializer[Any]):
    """A line."""

    id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyOut(currency="cart.currency")
    tax_rate = TaxRate()
    preferred_warehouse_id = serializers.CharField()


class CartOut(serializers.Serializer[Any]):
    """A cart."""

    id = serializers.CharField()
    status = serializers.CharField()
    customer_id = serializers.CharField()
    session_id = serializers.CharField()
    local_id = serializers.CharField()
    currency = serializers.CharField()
    items = CartItemOut(source="lines", many=True)
    items_count = serializers.IntegerField()
    value = MoneyOut()
    order_id = serializers.CharField()
    merged_into = serializers.CharField(source="merged_into_id")
    last_activity_at = serializers.DateTimeField()
    abandoned_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = serializers.ListField(child=serializers.CharField())
