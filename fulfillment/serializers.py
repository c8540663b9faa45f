"""The requests and responses of the fulfillments' API."""

from collections import Counter
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from config.api.serializers import (
    Body,
    Choice,
    ExternalId,
    Package,
    PlainDecimal,
    Quantity,
    StrictSerializer,
)
from events.serializers import AllowedActions
from fulfillment import models

ORDER_ID = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"  # in examples
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"
MAX_ITEMS = 500
MAX_PACKAGES = 100


class Measure(PlainDecimal):
    """A weight or a length above 0."""

    largest = 9_999
    default_error_messages = {"zero": "Give a value above 0."}

    def to_internal_value(self, data: Any) -> Decimal:
        value = super().to_internal_value(data)
        if not value:
            self.fail("zero")
        return value


class Kilograms(Measure):
    """`"2.5"`; grams are the smallest unit."""

    pattern = r"^[0-9]{1,4}(\.[0-9]{1,3})?$"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=7, decimal_places=3, **kwargs)


class Centimetres(Measure):
    """`"30"` or `"30.5"`."""

    pattern = r"^[0-9]{1,4}(\.[0-9])?$"

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"required": False, "allow_null": True, **kwargs}
        super().__init__(max_digits=5, decimal_places=1, **kwargs)


class FulfillmentStart(Body):
    """Who picks it; where no warehouse is known yet, also where."""

    example = {"assigned_to": "picker_user_123"}
    assigned_to = ExternalId(
        max_length=150, default=None, allow_null=True, help_text="The actor, if nobody is named."
    )
    warehouse_id = ExternalId(
        default=None, allow_null=True, help_text="Needed where none is known yet."
    )


class ManualPick(Body):
    """Units that were taken from the shelf."""

    order_item_id = ExternalId()
    quantity = Quantity()
    scan_id = ExternalId(help_text="One for each scan: whatever comes twice under it counts once.")


class PickCreate(ManualPick):
    """Units that were taken from the shelf, or are not to be found there."""

    example = {"order_item_id": ITEM_ID, "quantity": 2, "scan_id": "scan_5f1c"}
    short_reason = serializers.CharField(
        max_length=200, required=False, help_text="Why the units cannot be picked here."
    )


class ShortReport(ManualPick):
    """Units that are not to be found, or unfit."""

    reason = serializers.CharField(max_length=200)


class PackageCreate(StrictSerializer):
    """A package: kilograms, and centimetres."""

    weight = Kilograms()
    length = Centimetres()
    width = Centimetres()
    height = Centimetres()

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        return {name: f"{value.normalize():f}" for name, value in attrs.items() if value}


class FulfillmentPack(Body):
    """In what it is packed."""

    example = {"packages": [{"weight": "2.5", "length": "30", "width": "20", "height": "10"}]}
    packages = serializers.ListField(child=PackageCreate(), min_length=1, max_length=MAX_PACKAGES)


class MoveItem(StrictSerializer):
    """Units of a line."""

    order_item_id = ExternalId()
    quantity = Quantity()


class FulfillmentWriteOff(Body):
    """Units of some lines; a line that is named twice counts twice."""

    example = {"items": [{"order_item_id": ITEM_ID, "quantity": 1}]}
    items = serializers.ListField(child=MoveItem(), min_length=1, max_length=MAX_ITEMS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        units = Counter[str]()
        for item in attrs.pop("items"):
            units[item["order_item_id"]] += item["quantity"]
        return {**attrs, "units": dict(units)}


class FulfillmentMove(FulfillmentWriteOff):
    """Units that another warehouse is to send."""

    example = {"warehouse_id": "wh_south", **FulfillmentWriteOff.example}
    warehouse_id = ExternalId()


class FulfillmentItem(serializers.Serializer[Any]):
    """A line's units that the warehouse is to send, and how far they have come there."""

    order_item_id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()
    picked = serializers.IntegerField()
    short = serializers.IntegerField(help_text="To be moved or written off.")
    lost = serializers.IntegerField(help_text="Of those picked: they left, and did not arrive.")


class Fulfillment(serializers.Serializer[Any]):
    """What one warehouse sends of an order."""

    id = serializers.CharField()
    order_id = serializers.CharField()
    order_number = serializers.CharField(source="order.number")
    on_hold = serializers.BooleanField(
        source="order.is_held", help_text="Nobody may start before it is released."
    )
    warehouse_id = serializers.CharField(allow_null=True)
    status = Choice(models.Fulfillment.Status, "FulfillmentState")
    assigned_to = serializers.CharField(allow_null=True)
    items = FulfillmentItem(source="lines", many=True)
    packages = Package(many=True)
    total_weight = serializers.SerializerMethodField(help_text="Kilograms, of all packages.")
    packed_by = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    packed_at = serializers.DateTimeField(allow_null=True)
    cancellation_reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Fulfillment)

    def get_total_weight(self, fulfillment: models.Fulfillment) -> str | None:
        weight = fulfillment.total_weight
        return None if weight is None else f"{weight.normalize():f}"
