"""One order, one lock: whoever changes a shipment holds its order first."""

import orders.selectors
from config.core.exceptions import Conflict
from shipments import selectors
from shipments.models import Shipment


class OrderEnded(Conflict):
    """The order is cancelled, so nothing of it is to be sent."""

    code = "order_ended"


def lock_shipment(shipment_id: str) -> Shipment:
    """Return a shipment of whose order nobody else changes anything until the transaction ends."""
    order_id = Shipment.objects.values_list("order_id", flat=True).get(pk=shipment_id)
    order = orders.selectors.lock_row(order_id)
    shipment = selectors.with_parts().select_for_update(no_key=True).get(pk=shipment_id)
    shipment.order = order
    return shipment


def expect_order(shipment: Shipment) -> None:
    """Raise OrderEnded for a shipment of a cancelled order."""
    if is_order_cancelled(shipment):
        raise OrderEnded(
            f"{shipment.order_id} is cancelled: {shipment.id} is not to be sent.",
            allowed_actions=shipment.allowed_actions(),
        )


def is_order_cancelled(shipment: Shipment) -> bool:
    """Whether the order has been cancelled, of which the shipment may not have heard yet."""
    order = shipment.order
    return bool(order.status == order.Status.CANCELLED)


def save(shipment: Shipment) -> None:
    """Save a shipment; `shipments.signals` enqueues the call of its carrier.

    What nobody is told of is no update: who asks for shipments `updated_since` need not see it.
    """
    shipment.save(update_fields=None if shipment.has_pending_events else Shipment.BOOKKEEPING)
