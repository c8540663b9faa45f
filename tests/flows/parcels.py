"""Steps of an order whose only parcel comes back to its sender, is lost, or is found."""

from orders import selectors as order_selectors
from returns import selectors, services
from returns.models import Return
from shipments import selectors as shipment_selectors
from shipments.models import Shipment
from tests.flows.goods import lose, now
from tests.fulfillment.factories import fulfillments


def parcel(order):
    return shipment_selectors.get(order_selectors.dispatches(order, first_id(order))[0].shipment_id)


def first_id(order):
    return Shipment.objects.filter(order=order).exclude(status="cancelled").earliest("id").pk


def come_back(order, run_reactions):
    """The carrier returns the parcel to the sender: return its return."""
    lose(parcel(order), status="returned_to_sender", run_reactions=run_reactions)
    return selectors.get(Return.objects.get(shipment=first_id(order)).pk)


def receive(row, run_reactions, warehouse="wh_1", **units):
    """Receive these units of the first line, by their condition."""
    item = row.lines[0].order_item_id
    items = [
        {"order_item_id": item, "quantity": quantity, "condition": condition, "accepted": True}
        for condition, quantity in units.items()
    ]
    services.receive_return(return_id=row.id, warehouse_id=warehouse, items=items)
    run_reactions()
    return selectors.get(row.id)


def receive_all(row, run_reactions):
    """Receive all units of a customer's return."""
    services.approve_return(return_id=row.id)
    return receive(row, run_reactions, good=row.outstanding_quantity)


def counts(order):
    """Return the units of the first line: written off, shipped, delivered and returned."""
    line = now(order).lines[0]
    return line.cancelled, line.shipped, line.delivered, line.returned


def planned(order):
    """Return the units of each fulfillment after the first, with its status and warehouse."""
    return [
        (each.status, each.warehouse_id, sum(each.quantities.values()))
        for each in fulfillments(order)[1:]
    ]
