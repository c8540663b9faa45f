"""What the shipments' routes take."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

import fulfillment.selectors
from config.api.serializers import Body, ExternalId, MoneyIn, OwnId, Quantity, StrictSerializer
from shipments.models import Scan
from shipments.services.moving import SKEW

FULFILLMENT_ID = "ful_01JCZ6W9Y1B4D7G0K3N6Q9S2V5"  # in examples
ITEM_ID = "item_01JCZ5B2S9V4X7Y1Z3A6C8D0EF"
MAX_ITEMS = 500


class Past(serializers.DateTimeField):
    """A moment that has been, in UTC."""

    default_error_messages = {"future": "This is in the future."}

    def to_internal_value(self, value: Any) -> datetime:
        try:
            moment = super().to_internal_value(value).astimezone(UTC)
        except OverflowError:
            self.fail("overflow")
        if moment > timezone.now() + SKEW:
            self.fail("future")
        return moment


class UnitsToShip(StrictSerializer):
    """Units of one of the order's lines."""

    order_item_id = ExternalId()
    quantity = Quantity()


class NewShipment(Body):
    """What is to travel together; what is left out is as the order says."""

    example = {
        "fulfillment_id": FULFILLMENT_ID,
        "carrier": "FedEx",
        "service": "Ground",
        "items": [{"order_item_id": ITEM_ID, "quantity": 4}],
    }
    fulfillment_id = OwnId(fulfillment.selectors.with_lines)
    carrier = serializers.CharField(max_length=64, required=False, allow_null=True)
    service = serializers.CharField(max_length=64, required=False, allow_null=True)
    shipping_cost = MoneyIn(
        required=False,
        allow_null=True,
        help_text="What the customer pays, in the order's currency: the order's for its first "
        "shipment, else 0.",
    )
    signature_required = serializers.BooleanField(required=False, allow_null=True, default=None)
    items = serializers.ListField(
        child=UnitsToShip(),
        min_length=1,
        max_length=MAX_ITEMS,
        required=False,
        help_text="Everything that is packed and in no shipment yet.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """How many units of which line; a line that is named twice counts twice."""
        if (items := attrs.pop("items", None)) is not None:
            units = Counter[str]()
            for item in items:
                units[item["order_item_id"]] += item["quantity"]
            attrs["units"] = dict(units)
        return attrs


class NewLabel(Body):
    """The label of a carrier that nobody can be asked about; nothing for the others."""

    example = {
        "tracking_number": "123456789",
        "label_url": "https://carrier.example.com/labels/123456789.pdf",
        "carrier_cost": "12.50",
    }
    tracking_number = ExternalId(required=False, allow_null=True)
    label_url = serializers.URLField(max_length=1000, required=False, allow_null=True)
    carrier_cost = MoneyIn(required=False, allow_null=True, help_text="In the order's currency.")


class Dispatch(Body):
    """That it has left."""

    example = {"estimated_delivery": "2025-11-26"}
    estimated_delivery = serializers.DateField(required=False, allow_null=True)


class NewScan(Body):
    """What somebody has seen of the parcel."""

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
        help_text="One that comes again counts once; without it time, place and status decide: "
        "give it or `occurred_at`, else every call is a scan of its own.",
    )
    status = serializers.ChoiceField([s for s in Scan.Status.values if s != "pre_transit"])
    location = serializers.CharField(max_length=200, required=False, allow_null=True)
    description = serializers.CharField(max_length=500, required=False, allow_null=True)
    occurred_at = Past(required=False, allow_null=True)


class Seen(Body):
    """What has become of a parcel that will not arrive."""

    description = serializers.CharField(max_length=500, required=False, allow_null=True)


class Delivery(Body):
    """The proof that it has arrived."""

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
        help_text="A name, or whatever text stands for the signature.",
    )
    delivery_photo_url = serializers.URLField(max_length=1000, required=False, allow_null=True)
    delivered_at = Past(required=False, allow_null=True)
