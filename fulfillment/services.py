"""Plan, pick and pack fulfillments: one function per verb."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.utils import timezone

import orders.selectors
import shipments.selectors
from config.core import request_context
from config.core.unit_of_work import unit_of_work
from events import reactions
from fulfillment import selectors
from fulfillment.events import AssignmentReason, WithdrawalReason
from fulfillment.exceptions import (
    OtherWarehouse,
    ScanReused,
    TooManyFulfillmentUnits,
)
from fulfillment.models import Fulfillment
from orders.events import StockUnits

if TYPE_CHECKING:
    from orders.models import Order

Status = Fulfillment.Status
Units = Mapping[str, int]  # quantities by the id of the order line


@unit_of_work()
def start_fulfillment(
    *, fulfillment_id: str, assigned_to: str | None = None, warehouse_id: str | None = None
) -> Fulfillment:
    """Start picking. `assigned_to` defaults to the current actor.

    Raises OrderIsCancelled, OrderOnHold, ReactionsPending, WarehouseRequired, OtherWarehouse,
    InvalidTransition.
    """
    fulfillment = selectors.get_for_update(fulfillment_id)
    assigned_to = assigned_to or request_context.current().actor
    is_started = fulfillment.started_at and not fulfillment.cancelled_at
    is_same_warehouse = warehouse_id in (None, fulfillment.warehouse_id)
    if is_started and fulfillment.assigned_to == assigned_to and is_same_warehouse:
        return fulfillment
    fulfillment.order.expect_sendable(fulfillment)
    # A pending reaction to a new reservation may still change the units to send.
    reactions.expect_none_pending(fulfillment.order_id, "fulfillment")
    if fulfillment.warehouse_id is None and warehouse_id:
        _expect_no_fulfillment_in(warehouse_id, fulfillment.order)
    fulfillment.start(assigned_to=assigned_to, warehouse_id=warehouse_id, at=timezone.now())
    fulfillment.save()
    return fulfillment


@unit_of_work()
def pick_item(
    *, fulfillment_id: str, order_item_id: str, quantity: int, scan_id: str
) -> Fulfillment:
    """Count units as picked, also units that were reported short before.

    A repeated `scan_id` counts once. Raises NotInFulfillment, TooManyFulfillmentUnits, ScanReused,
    OrderIsCancelled, OrderOnHold, ReactionsPending, InvalidTransition.
    """
    fulfillment = selectors.get_for_update(fulfillment_id)
    if _is_repeated(fulfillment, scan_id, order_item_id, quantity, ""):
        return fulfillment
    fulfillment.order.expect_sendable(fulfillment)
    picked = selectors.picked_quantities(fulfillment.order)[order_item_id]
    fulfillment.pick(
        order_item_id=order_item_id, quantity=quantity, scan_id=scan_id, at=timezone.now()
    )
    if fulfillment.order.delivered_at:
        # Lost units may have arrived: then a reaction withdraws their replacement from here first.
        reactions.expect_none_pending(fulfillment.order_id, "fulfillment")
    # The order may write units off before the reaction withdraws them here.
    line = fulfillment.order.quantities.line(order_item_id)
    if max(picked, line.shipped) + quantity > line.sendable_quantity:
        raise TooManyFulfillmentUnits(
            f"{order_item_id}: {line.sendable_quantity} units can be sent, of these "
            f"{max(picked, line.shipped)} are picked or shipped."
        )
    fulfillment.save()
    return fulfillment


@unit_of_work()
def report_short(
    *, fulfillment_id: str, order_item_id: str, quantity: int, scan_id: str, reason: str
) -> Fulfillment:
    """Count units as missing or unusable, so that an operator moves them or writes them off.

    Picked units that are in no shipment count as put back. A repeated `scan_id` counts once.
    Raises NotInFulfillment, TooManyFulfillmentUnits, ScanReused, InvalidTransition.
    """
    fulfillment = selectors.get_for_update(fulfillment_id)
    if _is_repeated(fulfillment, scan_id, order_item_id, quantity, reason):
        return fulfillment
    fulfillment.report_short(
        order_item_id=order_item_id,
        quantity=quantity,
        scan_id=scan_id,
        reason=reason,
        shipped=shipments.selectors.shipped_units(fulfillment.order, fulfillment_id),
        at=timezone.now(),
    )
    fulfillment.save()
    return fulfillment


@unit_of_work()
def move_units(*, fulfillment_id: str, warehouse_id: str, units: Units) -> Fulfillment:
    """Assign units that are not picked to another warehouse.

    Raises OtherWarehouse, NotInFulfillment, TooManyFulfillmentUnits, OrderIsCancelled,
    InvalidTransition.
    """
    fulfillment = selectors.get_for_update(fulfillment_id)
    if warehouse_id == fulfillment.warehouse_id:
        raise OtherWarehouse(f"{fulfillment_id} is already assigned to {warehouse_id}.")
    fulfillment.order.expect_not_cancelled(fulfillment)
    fulfillment.move(units=units, to_warehouse_id=warehouse_id)
    _cancel_if_empty(fulfillment, reason="moved")
    fulfillment.save()
    _assign(fulfillment.order, warehouse_id, units, reason="moved")
    return fulfillment


@unit_of_work()
def write_off_short_units(*, fulfillment_id: str, units: Units) -> Fulfillment:
    """Give up short units. A reaction writes them off in the order, which refunds them.

    Raises NotInFulfillment, TooManyFulfillmentUnits, InvalidTransition.
    """
    fulfillment = selectors.get_for_update(fulfillment_id)
    fulfillment.write_off(units=units)
    _cancel_if_empty(fulfillment, reason="written_off")
    fulfillment.save()
    return fulfillment


@unit_of_work()
def pack_fulfillment(*, fulfillment_id: str, packages: Sequence[Mapping[str, str]]) -> Fulfillment:
    """Pack all picked units.

    Each package has a `weight` in kg and, if known, `length`, `width` and `height` in cm, as text.
    Raises OrderIsCancelled, OrderOnHold, InvalidTransition.
    """
    fulfillment = selectors.get_for_update(fulfillment_id)
    is_packed = fulfillment.status == Status.PACKED
    if is_packed and fulfillment.packages == list(packages):
        return fulfillment
    fulfillment.order.expect_sendable(fulfillment)
    fulfillment.pack(packages=packages, at=timezone.now())
    fulfillment.save()
    return fulfillment


@unit_of_work()
def plan_fulfillments(*, order_id: str, is_new: bool) -> None:
    """Open and update one fulfillment per warehouse by the order's allocation.

    A plan `is_new`, or there must be one that it replaces. Does nothing once picking has started.
    """
    order = orders.selectors.get_for_update(order_id)
    fulfillments = selectors.of_order_for_update(order)
    if not (fulfillments or is_new):
        return
    if not order.is_fulfillable() or any(each.started_at for each in fulfillments):
        return
    plan: dict[str | None, Counter[str]] = {}
    for line in order.lines:
        for warehouse_id, quantity in line.by_warehouse().items():
            plan.setdefault(warehouse_id, Counter())[line.id] = quantity
    for fulfillment in fulfillments:
        if fulfillment.status == Status.OPEN:
            units = plan.pop(fulfillment.warehouse_id, Counter())
            if more := +(units - fulfillment.quantities):
                fulfillment.assign(order=order, units=more, reason="reserved")
            if fewer := +(fulfillment.quantities - units):
                _withdraw(fulfillment, fewer, reason="reserved")
            if fulfillment.has_pending_events:
                fulfillment.save()
    for warehouse_id, units in plan.items():
        Fulfillment.open(order=order, warehouse_id=warehouse_id, units=units).save()


@unit_of_work()
def assign_backordered(*, order_id: str, allocations: Sequence[StockUnits]) -> None:
    """Assign back-ordered units to the warehouses that have reserved them, unless they have them.

    Before the order is confirmed there is no plan yet.
    """
    order = orders.selectors.get_for_update(order_id)
    if not order.is_fulfillable():
        return
    unplanned = selectors.unplanned_quantities(order)
    plan: dict[str | None, Counter[str]] = {}
    for allocation in allocations:
        units = Counter({allocation.order_item_id: allocation.quantity}) & unplanned
        unplanned -= units
        plan.setdefault(allocation.warehouse_id, Counter()).update(units)
    for warehouse_id, units in plan.items():
        if units:
            _assign(order, warehouse_id, units, reason="reserved")


@unit_of_work()
def withdraw_units(*, order_id: str, items: Sequence[StockUnits], reason: WithdrawalReason) -> None:
    """Withdraw units that need not be sent from the warehouses that the order named.

    Where those units were picked in the meantime, another warehouse gives up its units for them.
    """
    order = orders.selectors.get_for_update(order_id)
    sendable = Counter({line.id: line.sendable_quantity for line in order.lines})
    excess = selectors.planned_quantities(order) - sendable  # keeps positive counts only
    fulfillments = selectors.in_order_of_withdrawal(selectors.of_order_for_update(order))
    for warehouse_id in {item.warehouse_id: None for item in items}:
        unneeded = Counter[str]()
        for item in items:
            if item.warehouse_id == warehouse_id:
                unneeded[item.order_item_id] += item.quantity
        unneeded &= excess
        excess -= unneeded
        for fulfillment in sorted(fulfillments, key=lambda f: f.warehouse_id != warehouse_id):
            if fewer := fulfillment.movable_quantities & unneeded:
                unneeded -= fewer
                if fulfillment.warehouse_id == warehouse_id:
                    fulfillment.withdraw(units=fewer, reason=reason)
                else:
                    fulfillment.move(units=fewer, to_warehouse_id=warehouse_id)
    for fulfillment in fulfillments:
        if fulfillment.has_pending_events:
            _cancel_if_empty(fulfillment, reason=reason)
            fulfillment.save()


@unit_of_work()
def cancel_fulfillments(*, order_id: str) -> None:
    """Cancel the fulfillments of a cancelled order, unless all their units were sent."""
    order = orders.selectors.get_for_update(order_id)
    for fulfillment in selectors.of_order_for_update(order):
        is_unpacked = fulfillment.status in Fulfillment.UNPACKED
        is_cancelled = fulfillment.status == Status.CANCELLED
        if is_unpacked or (fulfillment.present_units and not is_cancelled):
            fulfillment.cancel(reason="order_cancelled", at=request_context.now())
            fulfillment.save()


@unit_of_work()
def unpack_fulfillment(*, fulfillment_id: str) -> Fulfillment:
    """Record that the picked units of a cancelled fulfillment are back on the shelf.

    Raises InvalidTransition.
    """
    fulfillment = selectors.get_for_update(fulfillment_id)
    is_cancelled = fulfillment.status == Status.CANCELLED
    if is_cancelled and fulfillment.present_units and not fulfillment.to_unpack:
        return fulfillment
    fulfillment.unpack()
    fulfillment.save()
    return fulfillment


@unit_of_work()
def mark_units_lost(
    *,
    fulfillment_id: str,
    shipment_id: str,
    units: Units,
    unusable: Units | None = None,
    warehouse_id: str | None = None,
) -> None:
    """Count units that were lost or came back with a shipment as lost, and assign them again.

    `warehouse_id` gets them, by default the same one. `unusable` ones are not assigned, nor are
    those that the order does not wait for.
    """
    fulfillment, unusable = selectors.get_for_update(fulfillment_id), unusable or {}
    warehouse_id = warehouse_id or fulfillment.warehouse_id
    fulfillment.mark_lost(
        units=units, unusable=unusable, shipment_id=shipment_id, to_warehouse_id=warehouse_id
    )
    fulfillment.save()
    order = orders.selectors.get_for_update(fulfillment.order_id)
    usable = (Counter(units) - Counter(unusable)) & selectors.unplanned_quantities(order)
    if usable and order.is_fulfillable():
        _assign(order, warehouse_id, usable, reason="lost")


@unit_of_work()
def recover_units(*, fulfillment_id: str, shipment_id: str, items: Sequence[StockUnits]) -> None:
    """Count units of a lost shipment as not lost, and do not send them again."""
    fulfillment, units = selectors.get_for_update(fulfillment_id), Counter[str]()
    for item in items:
        units[item.order_item_id] += item.quantity
    fulfillment.recover(units=units, shipment_id=shipment_id)
    fulfillment.save()
    withdraw_units(order_id=fulfillment.order_id, items=items, reason="recovered")


def _assign(
    order: "Order", warehouse_id: str | None, units: Units, *, reason: AssignmentReason
) -> None:
    """Add units to the warehouse's unpacked fulfillment, or open one."""
    for fulfillment in selectors.unpacked(order):
        if fulfillment.warehouse_id == warehouse_id:
            fulfillment.assign(order=order, units=units, reason=reason)
            fulfillment.save()
            return
    Fulfillment.open(order=order, warehouse_id=warehouse_id, units=units).save()


def _withdraw(fulfillment: Fulfillment, units: Units, *, reason: WithdrawalReason) -> None:
    fulfillment.withdraw(units=units, reason=reason)
    _cancel_if_empty(fulfillment, reason=reason)


def _cancel_if_empty(fulfillment: Fulfillment, *, reason: str) -> None:
    if fulfillment.is_empty() and fulfillment.status in Fulfillment.UNPACKED:
        fulfillment.cancel(reason=reason, at=request_context.now())


def _expect_no_fulfillment_in(warehouse_id: str, order: "Order") -> None:
    for other in selectors.unpacked(order):
        if other.warehouse_id == warehouse_id:
            raise OtherWarehouse(
                f"{other.id} is already assigned to {warehouse_id}: move the units there."
            )


def _is_repeated(
    fulfillment: Fulfillment, scan_id: str, order_item_id: str, quantity: int, reason: str
) -> bool:
    """Return whether the same scan was recorded before. Raises ScanReused if it differs."""
    pick = selectors.find_pick(fulfillment.id, scan_id)
    if pick is None:
        return False
    if (pick.order_item_id, pick.quantity, pick.short_reason) != (order_item_id, quantity, reason):
        raise ScanReused(f"The scan_id {scan_id} was already used for {pick}: send a new one.")
    return True
