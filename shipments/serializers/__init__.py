"""What the shipments' routes take and answer."""

from shipments.serializers.answers import ShipmentOut
from shipments.serializers.bodies import Delivery, Dispatch, NewLabel, NewScan, NewShipment, Seen

__all__ = ["Delivery", "Dispatch", "NewLabel", "NewScan", "NewShipment", "Seen", "ShipmentOut"]
