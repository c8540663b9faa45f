"""What the shipments' routes answer."""

from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from config.api.serializers import AllowedActions, Choice, CurrencyCode, MoneyOut, PlainDecimal
from shipments import files
from shipments.models import Adapter, Label, Scan, Shipment
from shipments.serializers.bodies import FULFILLMENT_ID, ITEM_ID, Delivery, NewScan

SHIPMENT_ID = "ship_01JCZ7H4M2P5S8V1X4Z7B0D3F6"  # in examples
ORDER_ID = "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"


class ShipmentItemOut(serializers.Serializer[Any]):
    """Units that travel in it."""

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


class ParcelOut(serializers.Serializer[Any]):
    """A package: kilograms, and centimetres where they are known."""

    weight = serializers.CharField()
    length = serializers.CharField(allow_null=True, default=None)
    width = serializers.CharField(allow_null=True, default=None)
    height = serializers.CharField(allow_null=True, default=None)


class LabelOut(serializers.Serializer[Any]):
    """How it stands with the label that a carrier was asked for last."""

    status = Choice(Label.Status, "LabelStatus")
    error = serializers.CharField(source="last_error")
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()


class ScanOut(serializers.Serializer[Any]):
    """What the carrier has seen; one that does not count came too late, or before it left."""

    scan_id = serializers.CharField()
    status = Choice(Scan.Status, "ScanStatus")
    location = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    occurred_at = serializers.DateTimeField()
    counts = serializers.BooleanField()


class ShipmentOut(serializers.Serializer[Any]):
    """A shipment: what is in it, and how far it has come."""

    example = {
        "id": SHIPMENT_ID,
        "order_id": ORDER_ID,
        "fulfillment_id": FULFILLMENT_ID,
        "warehouse_id": "wh_north",
        "status": "dispatched",
        "carrier": "FedEx",
        "service": "Ground",
        "adapter": "manual",
        "items": [
            {
                "order_item_id": ITEM_ID,
                "variant_id": "var_mug",
                "title": "Stoneware mug",
                "quantity": 4,
            }
        ],
        "packages": [{"weight": "2.5", "length": "30", "width": "20", "height": "10"}],
        "weight": "2.5",
        "shipping_cost": "9.90",
        "currency": "USD",
        "signature_required": False,
        "label": None,
        "tracking_number": "123456789",
        "label_url": "https://carrier.example.com/labels/123456789.pdf",
        "carrier_cost": "12.50",
        "carrier_currency": "USD",
        "estimated_delivery": "2025-11-26",
        "is_late": False,
        "dispatched_at": "2025-11-24T10:00:00Z",
        "location": None,
        "scans": [],
        "delivered_at": None,
        "recipient": None,
        "signature": None,
        "delivery_photo_url": None,
        "cancelled_at": None,
        "created_at": "2025-11-23T16:35:00Z",
        "updated_at": "2025-11-24T10:00:00Z",
        "allowed_actions": ["scan", "deliver"],
    }
    id = serializers.CharField()
    order_id = serializers.CharField()
    fulfillment_id = serializers.CharField()
    warehouse_id = serializers.CharField(allow_null=True)
    status = Choice(Shipment.Status, "ShipmentStatus")
    carrier = serializers.CharField()
    service = serializers.CharField()
    adapter = Choice(Adapter, "Adapter", help_text="Who makes the label: `manual` is you.")
    items = ShipmentItemOut(source="lines", many=True)
    packages = ParcelOut(many=True)
    weight = Weight()
    shipping_cost = MoneyOut(help_text="What the customer pays, before tax.")
    currency = CurrencyCode()
    signature_required = serializers.BooleanField()
    label = LabelOut(allow_null=True)  # type: ignore[assignment]
    tracking_number = serializers.CharField(allow_null=True)
    label_url = serializers.SerializerMethodField(help_text="Ours are good for 30 days.")
    carrier_cost = MoneyOut(
        currency="carrier_currency", allow_null=True, help_text="What the carrier charges you."
    )
    carrier_currency = serializers.CharField(allow_null=True)
    estimated_delivery = serializers.DateField(allow_null=True)
    is_late = serializers.SerializerMethodField(help_text="It should have arrived before today.")
    dispatched_at = serializers.DateTimeField(allow_null=True)
    location = serializers.CharField(allow_null=True)
    scans = ScanOut(source="sightings", many=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    recipient = serializers.CharField(allow_null=True)
    signature = serializers.CharField(allow_null=True)
    delivery_photo_url = serializers.CharField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    allowed_actions = AllowedActions(Shipment)

    nothing_yet: ClassVar[dict[str, Any]] = {
        "dispatched_at": None,
        "estimated_delivery": None,
    }
    created: ClassVar[dict[str, Any]] = {
        **nothing_yet,
        "status": "created",
        "tracking_number": None,
        "label_url": None,
        "carrier_cost": None,
        "carrier_currency": None,
        "allowed_actions": ["label", "dispatch", "cancel"],
    }
    labelled: ClassVar[dict[str, Any]] = {
        **nothing_yet,
        "status": "label_created",
        "allowed_actions": ["dispatch", "scan", "cancel"],
    }
    scanned: ClassVar[dict[str, Any]] = {
        "status": "in_transit",
        "location": "Memphis, TN",
        "scans": [{**NewScan.example, "counts": True}],
    }
    delivered: ClassVar[dict[str, Any]] = {
        **Delivery.example,
        "status": "delivered",
        "allowed_actions": [],
    }
    cancelled: ClassVar[dict[str, Any]] = {
        **labelled,
        "status": "cancelled",
        "cancelled_at": "2025-11-23T17:00:00Z",
        "allowed_actions": [],
    }

    def get_label_url(self, shipment: Shipment) -> str | None:
        return files.label_url(shipment)

    def get_is_late(self, shipment: Shipment) -> bool:
        return shipment.is_late(timezone.now().date())
