"""The events of shipments: first the published ones in the contract's order, then the internal."""

from typing import Annotated

from msgspec import Meta

from events.schema import Event, Id, Money, Personal, Timestamp, event
from orders.events import LineUnits


@event("shipment.created", version="1.0")
class ShipmentCreated(Event):
    """Packed units of an order were combined into a shipment."""

    shipment_id: Id
    order_id: Id
    carrier: str
    service: str
    shipping_cost: Annotated[Money, Meta(description="What the customer pays.")]


@event("shipment.label_created", version="1.0")
class ShipmentLabelCreated(Event):
    """The shipment has a label: the carrier sold it, or an operator entered it by hand."""

    shipment_id: Id
    tracking_number: str
    label_url: Annotated[Personal | None, Meta(description="URL of the PDF. Null if unknown.")]
    carrier_cost: Annotated[
        Money | None,
        Meta(description="What the carrier charges the organization. Null if unknown."),
    ]


@event("shipment.dispatched", version="1.0", moment="dispatched_at")
class ShipmentDispatched(Event):
    """The shipment left the warehouse."""

    shipment_id: Id
    dispatched_at: Timestamp
    warehouse_id: Annotated[Id | None, Meta(description="Null if unknown.")]


@event("shipment.in_transit", version="1.0")
class ShipmentInTransit(Event):
    """The carrier scanned the shipment on its way.

    Published once for each new scan, and never after the delivery.
    """

    shipment_id: Id
    tracking_number: Annotated[str | None, Meta(description="Null without a label.")]
    current_location: Annotated[Personal | None, Meta(description="The latest known place.")]
    status_description: Annotated[
        Personal | None, Meta(description="The carrier's own words, if any.")
    ]


@event("shipment.delivered", version="1.0", moment="delivered_at")
class ShipmentDelivered(Event):
    """The shipment arrived."""

    shipment_id: Id
    delivered_at: Timestamp
    recipient: Annotated[Personal | None, Meta(description="The person who accepted it, if known.")]
    signature_required: bool


@event("shipment.label_requested", published=False)
class ShipmentLabelRequested(Event):
    """A label is to be bought from the carrier."""

    shipment_id: Id
    order_id: Id


@event("shipment.label_refused", published=False)
class ShipmentLabelRefused(Event):
    """The carrier refused to sell the label. `error` contains its message."""

    shipment_id: Id
    order_id: Id
    error: Personal


class DeliveryProblem(Event):
    """What the events about a failed or delayed delivery have in common."""

    shipment_id: Id
    order_id: Id
    warehouse_id: Annotated[Id | None, Meta(description="Where it came from. Null if unknown.")]
    items: list[LineUnits]
    status_description: Annotated[
        Personal | None, Meta(description="The carrier's own words, if any.")
    ]


@event("shipment.exception", published=False)
class ShipmentException(DeliveryProblem):
    """The carrier reports a problem with the shipment, which may still arrive."""


@event("shipment.lost", published=False)
class ShipmentLost(DeliveryProblem):
    """The shipment will not arrive. Its units are to be sent again or written off."""


@event("shipment.returned_to_sender", published=False)
class ShipmentReturnedToSender(DeliveryProblem):
    """The shipment comes back undelivered. A return expects its units."""


@event("shipment.links_revoked", published=False)
class ShipmentLinksRevoked(Event):
    """All links to the shipment's labels were revoked."""

    shipment_id: Id
    order_id: Id


@event("shipment.return_revoked", published=False)
class ShipmentReturnRevoked(Event):
    """The shipment did not come back to its sender. Its return ends."""

    shipment_id: Id
    order_id: Id


@event("shipment.cancelled", published=False)
class ShipmentCancelled(Event):
    """The shipment will not be sent. Its units stay packed."""

    shipment_id: Id
    order_id: Id
    reason: str
