"""Steps from the shelf to the customer; each runs the pending reactions at its end."""

from collections.abc import Callable, Mapping
from uuid import uuid4

from fulfillment import services as fulfillment
from fulfillment.models import Fulfillment
from orders import selectors as order_selectors
from orders.models import Order
from payments.models import Payment
from payments.services import gateway
from shipments import selectors
from shipments.models import Shipment
from shipments.services import creation, label_purchase, labels, lifecycle
from tests.fulfillment.factories import PACKAGE, order_in, pick_all

RunReactions = Callable[[], None]


def confirmed(
    *warehouses: Mapping[str, int], run_reactions: RunReactions, **fields: object
) -> Order:
    """A paid order whose lines are allocated: `{"wh_1": 2}` for each line."""
    order = order_in(*map(dict, warehouses), **fields)
    run_reactions()
    return now(order)


def now(order: Order) -> Order:
    return order_selectors.get(order.id)


def pack(
    found: Fulfillment, *, run_reactions: RunReactions, short: Mapping[str, int] | None = None
) -> None:
    """Pick and pack all units except those that are reported short."""
    fulfillment.start_fulfillment(fulfillment_id=found.id, assigned_to="picker_1")
    for item, quantity in (short or {}).items():
        fulfillment.report_short(
            fulfillment_id=found.id,
            order_item_id=item,
            quantity=quantity,
            scan_id=str(uuid4()),
            reason="not found",
        )
    pick_all(found)
    fulfillment.pack_fulfillment(fulfillment_id=found.id, packages=[PACKAGE])
    run_reactions()


def ship(found: Fulfillment, *, run_reactions: RunReactions, **given: object) -> Shipment:
    """Dispatch the packed units, or the given `units`, with a label of the sandbox."""
    given = {"carrier": "sandbox", "service": "Ground", **given}
    shipment = creation.create_shipment(fulfillment_id=found.id, **given)  # type: ignore[arg-type]
    labels.label_shipment(shipment_id=shipment.id)
    label_purchase.call_carrier(shipment_id=shipment.id)
    lifecycle.dispatch_shipment(shipment_id=shipment.id)
    run_reactions()
    return selectors.get(shipment.id)


def arrive(shipment: Shipment, *, run_reactions: RunReactions) -> None:
    lifecycle.deliver_shipment(shipment_id=shipment.id, recipient="Juan Pérez", signature="J. P.")
    run_reactions()


def lose(shipment: Shipment, *, run_reactions: RunReactions, status: str = "lost") -> None:
    lifecycle.record_scan(shipment_id=shipment.id, status=status)  # type: ignore[arg-type]
    run_reactions()


def pay_out(order: Order, *, run_reactions: RunReactions) -> None:
    """Have the gateway pay out the requested refunds."""
    for payment in Payment.objects.filter(order=order.id):
        gateway.call_gateway(payment_id=payment.id)
    run_reactions()
