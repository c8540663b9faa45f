"""What shipments tell other services, in the contract's order, and what they keep to themselves."""

from typing import Annotated

from msgspec import Meta

from events.schema import Event, Id, Money, Timestamp, event


@event("shipment.created")
class ShipmentCreated(Event):
    """Packed units are to travel together."""

    shipment_id: Id
    order_id: Id
    carrier: str
    service: str
    shipping_cost: Annotated[Money, Meta(description="What the customer pays.")]


@event("shipment.label_created")
class ShipmentLabelCreated(Event):
    """The carrier has accepted the parcel on paper."""

    shipment_id: Id
    tracking_number: str
    label_url: str
    carrier_cost: Annotated[Money, Meta(description="What the carrier charges us.")]


@event("shipment.dispatched", moment="dispatched_at")
class ShipmentDispatched(Event):
    """The parcel has left the warehouse."""

    shipment_id: Id
    dispatched_at: Timestamp
    warehouse_id: Annotated[Id | None, Meta(description="Null where none is known.")]


@event("shipment.in_transit")
class ShipmentInTransit(Event):
    """The carrier has scanned the parcel; once per new scan, none after delivery."""

    shipment_id: Id
    tracking_number: Annotated[str | None, Meta(description="Null without a label.")]
    current_location: str | None
    status_description: str | None


@event("shipment.delivered", moment="delivered_at")
class ShipmentDelivered(Event):
    """The parcel has arrived."""

    shipment_id: Id
    delivered_at: Timestamp
    recipient: str | None
    signature_required: bool


@event("shipment.exception", published=False)
class ShipmentException(Event):
    """The carrier has a problem with the parcel; it may yet arrive."""

    shipment_id: Id
    order_id: Id
    status_description: str | None


@event("shipment.lost", published=False)
class ShipmentLost(Event):
    """The parcel will not arrive: its units are to be sent again or written off."""

    shipment_id: Id
    order_id: Id
    status_description: str | None


@event("shipment.returned_to_sender", published=False)
class ShipmentReturnedToSender(Event):
    """The parcel has come back unopened: its units are to be sent again or written off."""

    shipment_id: Id
    order_id: Id
    status_description: str | None


@event("shipment.cancelled", published=False)
class ShipmentCancelled(Event):
    """The parcel will not travel; what is in it stays packed."""

    shipment_id: Id
    order_id: Id
    reason: str
