"""What shipments tell other services, in the contract's order."""

from events.schema import Event, Id, Money, Timestamp, event


@event("shipment.created")
class ShipmentCreated(Event):
    """Packed units are to travel together; `shipping_cost` is what the customer pays."""

    shipment_id: Id
    order_id: Id
    carrier: str
    service: str
    shipping_cost: Money


@event("shipment.label_created")
class ShipmentLabelCreated(Event):
    """The carrier has accepted the parcel on paper; `carrier_cost` is what it charges us."""

    shipment_id: Id
    tracking_number: str
    label_url: str
    carrier_cost: Money


@event("shipment.dispatched", moment="dispatched_at")
class ShipmentDispatched(Event):
    """The parcel has left the warehouse."""

    shipment_id: Id
    dispatched_at: Timestamp
    warehouse_id: Id | None


@event("shipment.in_transit")
class ShipmentInTransit(Event):
    """The carrier has scanned the parcel; once per new scan."""

    shipment_id: Id
    tracking_number: str | None
    current_location: str | None
    status_description: str | None


@event("shipment.delivered", moment="delivered_at")
class ShipmentDelivered(Event):
    """The parcel has arrived."""

    shipment_id: Id
    delivered_at: Timestamp
    recipient: str | None
    signature_required: bool
