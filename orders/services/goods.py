"""Count the units of orders as they are sent, delivered, lost, written off and returned."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Unpack

from django.utils import timezone

import fulfillment.selectors
import payments.selectors
from config.core import request_context
from config.core.unit_of_work import unit_of_work
from events import reactions
from events.schema import is_published
from orders import selectors
from orders.events import OrderUnitsWrittenOff
from orders.exceptions import UnknownShipment
from orders.models import Order
from orders.models.choices import CancellationReason
from orders.models.parts import DeliveryProof, Dispatch, ShipmentData
from orders.quantities import Stock, Units, UnitsInWarehouse, WarehouseUnits, count


@unit_of_work()
def start_processing(*, order_id: str, warehouse_id: str | None, at: datetime) -> Order:
    """Record that the first warehouse started to pick; later warehouses change nothing."""
    order = selectors.get_for_update(order_id)
    if order.processing_at and not order.is_cancelled():
        return order
    order.start_processing(warehouse_id=warehouse_id, at=at)
    order.save()
    return order


@unit_of_work()
def ship_units(*, order_id: str, **shipment: Unpack[ShipmentData]) -> Order:
    """Count the units of a shipment as shipped, once per shipment.

    Raises UnknownOrderItem, TooManyUnits, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    shipped = order.dispatches.filter(shipment_id=shipment["shipment_id"])
    if order.has_shipped_nothing() or not shipped.exists():  # the first saves a query
        order.ship(shipment)
        order.save()
    return order


@unit_of_work()
def deliver_units(*, order_id: str, shipment_id: str, **proof: Unpack[DeliveryProof]) -> Order:
    """Count the units of a shipment as delivered, once per shipment. Raises UnknownShipment.

    If it was lost, its units are not sent again, except those that are picked already.
    """
    order = selectors.get_for_update(order_id)
    dispatches = selectors.dispatches(order, shipment_id)
    if order.status in Order.terminal_statuses or dispatches[0].delivered_at:
        return order
    if any(dispatch.reopened_quantity for dispatch in dispatches):
        _recover(order, [dispatches])
    order.deliver(dispatches, proof)
    order.save()
    return order


@unit_of_work()
def reopen_units(
    *, order_id: str, shipment_id: str, units: Units, warehouse_id: str | None
) -> Order:
    """Count units of a shipment as not shipped, because they were lost or came back.

    `warehouse_id` is to send them again. Raises UnknownShipment.
    """
    order = selectors.get_for_update(order_id)
    dispatches = selectors.dispatches(order, shipment_id)
    if dispatches[0].delivered_at:
        raise UnknownShipment(f"{shipment_id} has been delivered.")
    order.reopen_units(dispatches=dispatches, units=units, warehouse_id=warehouse_id)
    order.save()
    return recover_arrived_units(order_id=order_id, reopened=(warehouse_id, units))


@unit_of_work()
def recover_arrived_units(
    *, order_id: str, reopened: tuple[str | None, Units] | None = None
) -> Order:
    """Count units as delivered that arrived in a lost shipment while they were picked again.

    Only those whose replacement is not picked any more: it was put back, or its own shipment is
    lost or came back. `reopened` are then the warehouse that would send them again, and the units.
    """
    order = selectors.get_for_update(order_id)
    arrived = selectors.arrived_dispatches(order) if order.delivered_at else []  # saves a query
    if arrived:
        _recover(order, arrived, reopened)
    if order.has_pending_events:
        order.save()
        return selectors.get_for_update(order_id)
    return order


@unit_of_work()
def write_off_units(*, order_id: str, units: Units, reason: str) -> Order:
    """Write off units that will never ship, of each line the back-ordered ones first.

    Raises ReactionsPending, UnknownOrderItem, TooManyUnits, UnitsArePicked, InvalidTransition.
    """
    order = recover_arrived_units(order_id=order_id)
    # A pending reaction may still change which warehouse sends the units.
    reactions.expect_none_pending(order_id, "fulfillment")
    backordered = order.quantities.backordered(units)
    parts = _backordered_parts(backordered)
    parts += _by_warehouse(order, Counter(units) - backordered)
    _write_off(order, parts, reason)
    return order


def write_off_backordered_units(order: Order, reason: CancellationReason) -> None:
    """Write off the units of a locked order that wait for a further reservation."""
    if units := order.quantities.backordered({line.id: line.quantity for line in order.lines}):
        _write_off(order, _backordered_parts(units), reason)


@unit_of_work()
def write_off_unplanned_units(
    *,
    order_id: str,
    warehouse_id: str | None,
    units: Units,
    reason: CancellationReason,
) -> None:
    """Write off units that a warehouse gave up, except those that were written off before.

    Units still to be written off are unshipped, and no fulfillment plans to send them.
    """
    order = selectors.get_for_update(order_id)
    unplanned = fulfillment.selectors.unplanned_quantities(order)
    unplanned &= Counter({line.id: line.unshipped_quantity for line in order.lines})
    if order.is_fulfillable() and (short := +(Counter(units) & unplanned)):
        parts = [_units(item, warehouse_id, quantity) for item, quantity in short.items()]
        _write_off(order, parts, reason)


@unit_of_work()
def release_written_off_units(*, order_id: str) -> Order:
    """Record that an operator released the stock of all written-off units in Inventory."""
    order = selectors.get_for_update(order_id)
    if write_offs := selectors.unreleased_write_offs(order):
        order.release_units(write_offs=write_offs, at=timezone.now())
        order.save()
    return order


@unit_of_work()
def record_returned_units(*, order_id: str, units: Units) -> Order:
    """Count units that the customer returned.

    Raises UnknownOrderItem, TooManyUnits, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    order.record_return(units=units)
    order.save()
    return order


def _write_off(order: Order, units: WarehouseUnits, reason: str) -> None:
    order.quantities.expect_unpicked(count(units), fulfillment.selectors.picked_quantities(order))
    order.write_off(
        units=units,
        reason=reason,
        at=request_context.now(),
        is_paid=payments.selectors.has_money(order),
        held=_held_without(order, units),
    )
    order.save()


def _recover(
    order: Order,
    shipments: Iterable[Sequence[Dispatch]],
    reopened: tuple[str | None, Units] | None = None,
) -> None:
    """Count units of lost shipments as shipped again, except those that were picked again."""
    picked = fulfillment.selectors.picked_quantities(order)
    places = []
    if reopened:  # fulfillments do not plan them yet, unless the reaction is late
        warehouse_id, units = reopened
        unplanned = fulfillment.selectors.unplanned_quantities(order)
        places = [(warehouse_id, Counter(units) & unplanned)]
    for dispatches in shipments:
        lost = {each.order_item_id: each.reopened_quantity for each in dispatches}
        if found := order.quantities.unpicked(lost, picked):
            by_warehouse = _by_warehouse(order, found, places)
            order.recover_units(dispatches=dispatches, units=by_warehouse)
            picked.update(found)
            places = [(place, counts - Counter(found)) for place, counts in places]


def _backordered_parts(units: Units) -> list[UnitsInWarehouse]:
    return [_units(item, None, quantity, is_backordered=True) for item, quantity in units.items()]


def _held_without(order: Order, units: WarehouseUnits) -> Stock:
    """Return what Inventory holds after a write-off. It matters if no unit is left."""
    if count(units).total() != order.quantities.total("active_quantity"):
        return Counter()
    held = selectors.held_by_inventory(order)
    return held - order.quantities.stock(units) if is_published(OrderUnitsWrittenOff) else held


def _by_warehouse(
    order: Order,
    units: Units,
    unplanned: Sequence[tuple[str | None, Counter[str]]] = (),
) -> list[UnitsInWarehouse]:
    """Return the units by the warehouse that will not send them: first `unplanned` ones.

    Fulfillments are reduced in this order. Units without one yet are taken from the warehouse
    that was allocated last.
    """
    movable = [*unplanned, *fulfillment.selectors.movable_quantities(order)]
    parts = []
    for line, quantity in order.quantities.select(units):
        places = [(place, counts[line.id]) for place, counts in movable]
        places += reversed(line.by_warehouse().items())
        taken, place = Counter[str | None](), None
        for place, available in places:
            taken[place] += min(available, quantity - taken.total())
        taken[place] += quantity - taken.total()  # too many, which the order refuses
        parts += [_units(line.id, place, count) for place, count in (+taken).items()]
    return parts


def _units(
    order_item_id: str, warehouse_id: str | None, quantity: int, *, is_backordered: bool = False
) -> UnitsInWarehouse:
    return UnitsInWarehouse(
        order_item_id=order_item_id,
        warehouse_id=warehouse_id,
        quantity=quantity,
        is_backordered=is_backordered,
    )
