"""One order, one lock: whoever changes a shipment holds its order first."""

import orders.selectors
from shipments import selectors
from shipments.models import Shipment


def lock_shipment(shipment_id: str) -> Shipment:
    """Return a shipment of whose order nobody else changes anything until the transaction ends."""
    order_id = Shipment.objects.values_list("order_id", flat=True).get(pk=shipment_id)
    order = orders.selectors.get_for_update(order_id)
    shipment = selectors.with_parts().select_for_update(no_key=True).get(pk=shipment_id)
    shipment.order = order
    return shipment


def save(shipment: Shipment) -> None:
    """Save a shipment; `shipments.signals` enqueues the call of its carrier.

    What nobody is told of is no update: who asks for shipments `updated_since` need not see it.
    """
    shipment.save(update_fields=None if shipment.has_pending_events else Shipment.BOOKKEEPING)
