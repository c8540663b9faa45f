"""What shipments tell other services, in the contract's order, and what they keep to themselves."""

from typing import TYPE_CHECKING, Annotated, Self

from msgspec import Meta

from config.core.money import money
from events.schema import Event, Id, Money, Timestamp, event

if TYPE_CHECKING:
    from shipments.models import Shipment


@event("shipment.created", version="1.0")
class ShipmentCreated(Event):
    """Packed units are to travel together."""

    shipment_id: Id
    order_id: Id
    carrier: str
    service: str
    shipping_cost: Annotated[Money, Meta(description="What the customer pays.")]

    @classmethod
    def of(cls, shipment: "Shipment") -> Self:
        return cls(
            shipment_id=shipment.id,
            order_id=shipment.order_id,
            carrier=shipment.carrier,
            service=shipment.service,
            shipping_cost=money(shipment.shipping_cost, shipment.currency),
        )


@event("shipment.label_created", version="1.0")
class ShipmentLabelCreated(Event):
    """The carrier has accepted the parcel on paper."""

    shipment_id: Id
    tracking_number: str
    label_url: Annotated[str | None, Meta(description="Null where none was given.")]
    carrier_cost: Annotated[
        Money | None, Meta(description="What the carrier charges us; null where that is unknown.")
    ]


@event("shipment.dispatched", version="1.0", moment="dispatched_at")
class ShipmentDispatched(Event):
    """The parcel has left the warehouse."""

    shipment_id: Id
    dispatched_at: Timestamp
    warehouse_id: Annotated[Id | None, Meta(description="Null where none is known.")]

    @classmethod
    def of(cls, shipment: "Shipment") -> Self:
        assert shipment.dispatched_at, "it has not left"
        return cls(
            shipment_id=shipment.id,
            dispatched_at=shipment.dispatched_at,
            warehouse_id=shipment.warehouse_id,
        )


@event("shipment.in_transit", version="1.0")
class ShipmentInTransit(Event):
    """The carrier has scanned the parcel; once per new scan, none after delivery."""

    shipment_id: Id
    tracking_number: Annotated[str | None, Meta(description="Null without a label.")]
    current_location: str | None
    status_description: str | None

    @classmethod
    def of(cls, shipment: "Shipment", *, description: str | None) -> Self:
        return cls(
            shipment_id=shipment.id,
            tracking_number=shipment.tracking_number,
            current_location=shipment.location,
            status_description=description,
        )


@event("shipment.delivered", version="1.0", moment="delivered_at")
class ShipmentDelivered(Event):
    """The parcel has arrived."""

    shipment_id: Id
    delivered_at: Timestamp
    recipient: str | None
    signature_required: bool

    @classmethod
    def of(cls, shipment: "Shipment") -> Self:
        assert shipment.delivered_at, "it has not arrived"
        return cls(
            shipment_id=shipment.id,
            delivered_at=shipment.delivered_at,
            recipient=shipment.recipient,
            signature_required=shipment.signature_required,
        )


@event("shipment.label_requested", published=False)
class ShipmentLabelRequested(Event):
    """The carrier is to sell a label."""

    shipment_id: Id
    order_id: Id

    @classmethod
    def of(cls, shipment: "Shipment") -> Self:
        return cls(shipment_id=shipment.id, order_id=shipment.order_id)


@event("shipment.label_refused", published=False)
class ShipmentLabelRefused(Event):
    """The carrier sells no label for it as it is: somebody has to change something."""

    shipment_id: Id
    order_id: Id
    error: str


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
