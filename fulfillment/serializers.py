"""The requests and responses of the fulfillments' API."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from config.api.serializers import (
    Body,
    Choice,
    ExternalId,
    ItemList,
    ItemQuantities,
    Package,
    PlainDecimal,
    Quantity,
    StrictSerializer,
)
from events.serializers import AllowedActions
from fulfillment import models

ORDER_ID = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"  # in examples
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"
MAX_PACKAGES = 100


class Measure(PlainDecimal):
    """A weight or a length greater than 0."""

    largest = 9_999
    default_error_messages = {"zero": "The value must be greater than 0."}

    def to_internal_value(self, data: Any) -> Decimal:
        value = super().to_internal_value(data)
        if not value:
            self.fail("zero")
        return value


class Kilograms(Measure):
    """A weight in kilograms, with at most three decimals: `"2.5"`."""

    pattern = r"^[0-9]{1,4}(\.[0-9]{1,3})?$"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=7, decimal_places=3, **kwargs)


class Centimeters(Measure):
    """A length in centimeters, with at most one decimal: `"30"` or `"30.5"`."""

    pattern = r"^[0-9]{1,4}(\.[0-9])?$"

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"required": False, "allow_null": True, **kwargs}
        super().__init__(max_digits=5, decimal_places=1, **kwargs)


class FulfillmentStart(Body):
    """Who picks the units, and in which warehouse if none is set yet."""

    example = {"assigned_to": "picker_user_123"}
    assigned_to = ExternalId(
        max_length=150,
        default=None,
        allow_null=True,
        help_text="The picker. The default is the current actor.",
    )
    warehouse_id = ExternalId(
        default=None,
        allow_null=True,
        help_text="Required if the fulfillment has no warehouse yet.",
    )


class ManualPick(Body):
    """Units of a line that were picked."""

    order_item_id = ExternalId()
    quantity = Quantity()
    scan_id = ExternalId(help_text="A unique id for each scan. A repeated scan counts once.")


class PickCreate(ManualPick):
    """Units of a line that were picked or, with a `short_reason`, are missing or unusable."""

    example = {"order_item_id": ITEM_ID, "quantity": 2, "scan_id": "scan_5f1c"}
    short_reason = serializers.CharField(
        max_length=200,
        required=False,
        help_text="Why the units cannot be picked. Reports them short.",
    )


class ShortReport(ManualPick):
    """Units of a line that are missing or unusable."""

    reason = serializers.CharField(max_length=200)


class PackageCreate(StrictSerializer):
    """A package: its weight in kilograms and, if known, its size in centimeters."""

    weight = Kilograms()
    length = Centimeters()
    width = Centimeters()
    height = Centimeters()

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        return {name: f"{value.normalize():f}" for name, value in attrs.items() if value}


class FulfillmentPack(Body):
    """The packages that contain the picked units."""

    example = {"packages": [{"weight": "2.5", "length": "30", "width": "20", "height": "10"}]}
    packages = ItemList(child=PackageCreate(), min_length=1, max_length=MAX_PACKAGES)


class FulfillmentWriteOff(Body):
    """Units to write off. Quantities of the same line are added up."""

    example = {"items": [{"order_item_id": ITEM_ID, "quantity": 1}]}
    items = ItemQuantities()


class FulfillmentMove(FulfillmentWriteOff):
    """Units to move, and the warehouse that sends them instead."""

    example = {"warehouse_id": "wh_south", **FulfillmentWriteOff.example}
    warehouse_id = ExternalId()


class FulfillmentItem(serializers.Serializer[Any]):
    """The units of an order line that the warehouse sends, counted by state."""

    order_item_id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField(help_text="All units assigned to the warehouse.")
    picked = serializers.IntegerField(source="picked_quantity")
    short = serializers.IntegerField(
        source="short_quantity",
        help_text="Missing or unusable units, to be moved or written off.",
    )
    lost = serializers.IntegerField(
        source="lost_quantity",
        help_text="Picked units that were lost with their shipment, or came back with it.",
    )


class Fulfillment(serializers.Serializer[Any]):
    """The units of an order that one warehouse picks and packs."""

    id = serializers.CharField()
    order_id = serializers.CharField()
    order_number = serializers.CharField(source="order.number")
    on_hold = serializers.BooleanField(
        source="order.is_held", help_text="Nothing is picked or packed until the order is released."
    )
    warehouse_id = serializers.CharField(allow_null=True)
    status = Choice(models.Fulfillment.Status, "FulfillmentStatus")
    assigned_to = serializers.CharField(allow_null=True)
    items = FulfillmentItem(source="lines", many=True)
    packages = Package(many=True)
    total_weight = serializers.SerializerMethodField(
        help_text="The weight of all packages, in kilograms."
    )
    packed_by = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    packed_at = serializers.DateTimeField(allow_null=True)
    cancellation_reason = serializers.CharField()
    to_unpack = serializers.BooleanField(
        help_text="Whether it is cancelled, and picked units must go back on the shelf."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Fulfillment)

    def get_total_weight(self, fulfillment: models.Fulfillment) -> str | None:
        weight = fulfillment.total_weight
        return None if weight is None else f"{weight.normalize():f}"
