from shipments.models.account import Adapter, CarrierAccount
from shipments.models.parts import Label, ParcelNumber, Scan, ShipmentItem
from shipments.models.shipment import Shipment
from shipments.models.webhook import CarrierWebhook

__all__ = [
    "Adapter",
    "CarrierAccount",
    "CarrierWebhook",
    "Label",
    "ParcelNumber",
    "Scan",
    "Shipment",
    "ShipmentItem",
]
