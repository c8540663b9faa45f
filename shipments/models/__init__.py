"""Shipments: the aggregate, its parts, the organization's carriers, and what carriers sent."""

from shipments.exceptions import (
    LabelNotByHand,
    TrackingNumberRequired,
    TrackingNumberTaken,
)
from shipments.models.account import Adapter, CarrierAccount
from shipments.models.parts import Label, Scan, ShipmentItem
from shipments.models.shipment import Shipment
from shipments.models.webhook import CarrierWebhook

__all__ = [
    "Adapter",
    "CarrierAccount",
    "CarrierWebhook",
    "Label",
    "LabelNotByHand",
    "Scan",
    "Shipment",
    "ShipmentItem",
    "TrackingNumberRequired",
    "TrackingNumberTaken",
]
