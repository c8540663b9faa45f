"""What shipments do when other contexts record an event."""

from events.models import EventRecord
from events.reactions import reacts_to
from fulfillment.events import FulfillmentPacked
from orders.events import OrderCancelled
from shipments.services import creation


@reacts_to(FulfillmentPacked)
def ship_packed_units(event: FulfillmentPacked, about: EventRecord) -> None:
    """Create the shipment of the packed units, if the order has a carrier and a service."""
    creation.ship_packed_units(fulfillment_id=about.subject)


@reacts_to(OrderCancelled)
def cancel_open_shipments(event: OrderCancelled, about: EventRecord) -> None:
    """Cancel the order's shipments that are not dispatched, and void their labels."""
    creation.cancel_open_shipments(order_id=event.order_id)
