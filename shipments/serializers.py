"""The requests and responses of the shipments' API."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

import fulfillment.selectors
from config.api.serializers import (
    Body,
    Choice,
    CurrencyCode,
    Day,
    ExternalId,
    ItemList,
    ItemQuantities,
    Moment,
    MoneyIn,
    MoneyOut,
    OwnId,
    Package,
    PlainDecimal,
)
from events.serializers import AllowedActions
from shipments import files, models
from shipments.selectors import CLOCK_SKEW

FULFILLMENT_ID = "ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5"  # in examples
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"


class Past(Moment):
    """A time that is not in the future."""

    default_error_messages = {"future": "This is in the future."}

    def to_internal_value(self, value: Any) -> datetime:
        moment = super().to_internal_value(value)
        if moment > timezone.now() + CLOCK_SKEW:
            self.fail("future")
        return moment


class ShipmentCreate(Body):
    """A shipment of packed units. Fields that are left out are taken from the order."""

    example = {
        "fulfillment_id": FULFILLMENT_ID,
        "carrier": "FedEx",
        "service": "Ground",
        "items": [{"order_item_id": ITEM_ID, "quantity": 4}],
    }
    fulfillment_id = OwnId(
        fulfillment.selectors.with_lines, get_for_update=fulfillment.selectors.get_for_update
    )
    carrier = serializers.CharField(max_length=64, required=False, allow_null=True)
    service = serializers.CharField(max_length=64, required=False, allow_null=True)
    shipping_cost = MoneyIn(
        required=False,
        allow_null=True,
        help_text="What the customer pays, in the order's currency. Default: the order's shipping "
        "cost for its first shipment, 0 for the others.",
    )
    signature_required = serializers.BooleanField(required=False, allow_null=True, default=None)
    items = ItemQuantities(
        required=False,
        help_text="Default: all packed units that are not in a shipment yet.",
    )


class LabelCreate(Body):
    """With the adapter `manual`, the data of the label. With other adapters, an empty object.

    A shipment that is in the box of another order gets the number of that shipment, with every
    adapter.
    """

    example = {
        "tracking_number": "123456789",
        "label_url": "https://carrier.example.com/labels/123456789.pdf",
        "carrier_cost": "12.50",
    }
    tracking_number = ExternalId(required=False, allow_null=True)
    tracking_numbers = ItemList(
        child=ExternalId(),
        required=False,
        max_length=50,
        help_text="Instead of `tracking_number`, those of several parcels. Events have the first.",
    )
    shared = serializers.BooleanField(
        default=False,
        help_text="Whether the number may be that of another shipment under way, because both are "
        "in one box. Orders of the same customer to the same address need not say so.",
    )
    label_url = serializers.URLField(max_length=1000, required=False, allow_null=True)
    carrier_cost = MoneyIn(required=False, allow_null=True, help_text="In the order's currency.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        numbers = attrs.get("tracking_numbers", [])
        if numbers and attrs.get("tracking_number"):
            raise serializers.ValidationError("Give tracking_number or tracking_numbers, not both.")
        if len(set(numbers)) < len(numbers):
            raise serializers.ValidationError({"tracking_numbers": "A number is in it twice."})
        return attrs


class ShipmentDispatch(Body):
    """The dispatch of a shipment."""

    example = {"estimated_delivery": "2025-11-26"}
    estimated_delivery = Day(required=False, allow_null=True)


class ScanCreate(Body):
    """A scan of the shipment by the carrier or a driver."""

    example = {
        "scan_id": "scan_4711",
        "status": "in_transit",
        "location": "Memphis, TN",
        "description": "In transit to destination",
        "occurred_at": "2025-11-25T08:20:00Z",
    }
    scan_id = ExternalId(
        required=False,
        allow_null=True,
        help_text="A repeated `scan_id` has no effect. Without an id, a scan is repeated if its "
        "time, location and status are. Without `occurred_at` too, every request is a new scan.",
    )
    status = serializers.ChoiceField([s for s in models.Scan.Status.values if s != "pre_transit"])
    tracking_number = ExternalId(
        required=False,
        allow_null=True,
        help_text="Of one of several parcels. By default, all of the shipment was scanned.",
    )
    location = serializers.CharField(max_length=200, required=False, allow_null=True)
    description = serializers.CharField(max_length=500, required=False, allow_null=True)
    occurred_at = Past(
        required=False,
        allow_null=True,
        help_text="By default now. Not before the dispatch; ten minutes are tolerated.",
    )


class ManualScan(Body):
    """The end of a shipment that will not arrive."""

    description = serializers.CharField(max_length=500, required=False, allow_null=True)


class ShipmentDeliver(Body):
    """The proof of delivery."""

    example = {
        "recipient": "Ana Torres",
        "signature": "A. Torres",
        "delivery_photo_url": "https://carrier.example.com/photos/123456789.jpg",
        "delivered_at": "2025-11-26T14:30:00Z",
    }
    recipient = serializers.CharField(max_length=200, required=False, allow_null=True)
    signature = serializers.CharField(
        max_length=10_000,
        required=False,
        allow_null=True,
        help_text="The signature as text, for example the name.",
    )
    delivery_photo_url = serializers.URLField(max_length=1000, required=False, allow_null=True)
    delivered_at = Past(required=False, allow_null=True)


class ShipmentItem(serializers.Serializer[Any]):
    """Units of one line of the order in the shipment."""

    order_item_id = serializers.CharField()
    variant_id = serializers.CharField()
    title = serializers.CharField()
    quantity = serializers.IntegerField()


class Weight(PlainDecimal):
    """Kilograms."""

    largest = 10**6 - 1
    pattern = r"^[0-9]{1,6}(\.[0-9]{1,3})?$"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=9, decimal_places=3, **kwargs)


class Label(serializers.Serializer[Any]):
    """The label that was requested from the carrier last. `error` is blank unless a call failed."""

    status = Choice(models.Label.Status, "LabelStatus")
    error = serializers.CharField(source="last_error")
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()


class Scan(serializers.Serializer[Any]):
    """A scan. `counts` is false if it had no effect, because it came too late or too early.

    One of several parcels has its `tracking_number`. The shipment is delivered, lost or returned
    when all of them are.
    """

    scan_id = serializers.CharField()
    tracking_number = serializers.CharField(allow_null=True)
    status = Choice(models.Scan.Status, "ScanStatus")
    location = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    occurred_at = serializers.DateTimeField()
    counts = serializers.BooleanField()


class Shipment(serializers.Serializer[Any]):
    """Packed units of an order that travel together."""

    id = serializers.CharField()
    order_id = serializers.CharField()
    fulfillment_id = serializers.CharField()
    on_hold = serializers.BooleanField(
        source="order.is_held",
        help_text="Until the order is released, no label is bought and nothing is dispatched.",
    )
    warehouse_id = serializers.CharField(allow_null=True)
    status = Choice(models.Shipment.Status, "ShipmentStatus")
    carrier = serializers.CharField()
    service = serializers.CharField()
    adapter = Choice(
        models.Adapter, "Adapter", help_text="What buys the label. `manual`: you enter it."
    )
    items = ShipmentItem(source="lines", many=True)
    packages = Package(many=True)
    weight = Weight()
    shipping_cost = MoneyOut(help_text="What the customer pays, as the order states its prices.")
    currency = CurrencyCode()
    signature_required = serializers.BooleanField()
    label = Label(allow_null=True)  # type: ignore[assignment]
    tracking_number = serializers.CharField(
        allow_null=True, help_text="The first one of several, which events have."
    )
    tracking_numbers = serializers.ListField(
        child=serializers.CharField(), help_text="Those of all parcels."
    )
    label_url = serializers.SerializerMethodField(
        help_text="URL of the PDF. URLs of this service are valid for 30 days"
        " (`DOCUMENT_LINK_DAYS`) or until they are revoked."
    )
    further_label_urls = serializers.SerializerMethodField(
        help_text="URLs of the labels of further parcels, if the carrier has one for each."
    )
    carrier_cost = MoneyOut(
        currency="carrier_currency",
        allow_null=True,
        help_text="What the carrier charges you, in `carrier_currency`.",
    )
    carrier_currency = serializers.CharField(allow_null=True)
    estimated_delivery = serializers.DateField(allow_null=True)
    is_late = serializers.SerializerMethodField(
        help_text="Whether it is under way and was expected before today."
    )
    dispatched_at = serializers.DateTimeField(allow_null=True)
    location = serializers.CharField(allow_null=True)
    scans = Scan(many=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    recipient = serializers.CharField(allow_null=True)
    signature = serializers.CharField(allow_null=True)
    delivery_photo_url = serializers.CharField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(models.Shipment)

    def get_label_url(self, shipment: models.Shipment) -> str | None:
        return files.label_url(shipment)

    def get_further_label_urls(self, shipment: models.Shipment) -> list[str]:
        return files.further_label_urls(shipment)

    def get_is_late(self, shipment: models.Shipment) -> bool:
        return shipment.is_late(timezone.now().date())
