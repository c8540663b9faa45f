"""What other contexts' events make shipments do."""

from events.models import EventRecord
from events.reactions import reacts_to
from fulfillment.events import FulfillmentPacked
from orders.events import OrderCancelled
from shipments import services


@reacts_to(FulfillmentPacked)
def ship_packed_units(event: FulfillmentPacked, about: EventRecord) -> None:
    """If the order names its carrier and service, nobody has to."""
    services.ship_packed_units(fulfillment_id=about.subject)


@reacts_to(OrderCancelled)
def cancel_open_shipments(event: OrderCancelled, about: EventRecord) -> None:
    """What has not left stays here, and its labels go back."""
    services.cancel_open_shipments(order_id=event.order_id)
