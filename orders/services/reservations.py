"""Record what Inventory has reserved for an order, or rejected."""

from collections import Counter
from collections.abc import Sequence

from django.utils import timezone

import fulfillment.selectors
import payments.selectors
from config.core.unit_of_work import unit_of_work
from orders import selectors
from orders.exceptions import FulfillmentHasStarted, OtherReservation, PartialReservation
from orders.models import Order, Policy
from orders.quantities import AllocationRequest, Units, count
from orders.services.goods import write_off_backordered_units
from orders.services.lifecycle import confirm_paid_order, expect_not_shipped


def record_reservation(
    *,
    order_id: str,
    rejected: bool,
    reason: str = "",
    reservation_id: str = "",
    allocations: Sequence[AllocationRequest] = (),
) -> Order:
    """Record Inventory's response: a reservation with its allocations, or a rejection.

    Raises what `reserve_stock` or `reject_reservation` raises.
    """
    if rejected:
        return reject_reservation(order_id=order_id, reservation_id=reservation_id, note=reason)
    return reserve_stock(order_id=order_id, reservation_id=reservation_id, allocations=allocations)


@unit_of_work()
def reserve_stock(
    *, order_id: str, reservation_id: str, allocations: Sequence[AllocationRequest]
) -> Order:
    """Record a reservation: all warehouses with the quantities reserved there, by line or variant.

    It replaces the earlier one, or reserves back-ordered units in addition to it. A correction of
    one of several reservations replaces its own allocations. An order that is paid and has waited
    for this is confirmed.
    Raises OrderIsCancelled, OtherReservation, FulfillmentHasStarted, UnknownOrderItem,
    AmbiguousVariant, AllocatedTwice, TooManyUnits, PartialReservation, OrderTooLarge,
    InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    order.expect_not_cancelled()
    reserved = order.quantities.resolve(allocations)
    is_held = order.holds_reservation(reservation_id)
    is_repeated = is_held and order.quantities.is_allocated_as(reservation_id, reserved)
    if is_repeated and order.status != Order.Status.PAID:  # it waits under a later policy
        return order
    if not is_held:
        _expect_not_replaced(order, reservation_id)
    if order.is_reserved_in_parts and not is_held:
        _expect_reserved(order, count(reserved).total())
        order.reserve_backordered(reservation_id=reservation_id, allocations=reserved)
        order.save()
        return order
    if fulfillment.selectors.has_started(order):
        raise FulfillmentHasStarted(
            f"A warehouse is picking {order_id}: its allocation cannot change any more."
        )
    kept = order.quantities.allocated(besides=reservation_id) if order.is_reserved_in_parts else []
    missing = order.quantities.missing_in([*kept, *reserved])
    backordered = _backordered(order, missing)
    order.reserve(reservation_id=reservation_id, allocations=reserved, backordered=backordered)
    if order.status == Order.Status.PAID:
        confirm_paid_order(order)
    order.save()
    return order


@unit_of_work()
def reject_reservation(*, order_id: str, reservation_id: str = "", note: str = "") -> Order:
    """Cancel an order that Inventory cannot supply, with reason `out_of_stock`.

    `reservation_id` is the rejected reservation; it may be missing while the order holds none. The
    rejection of a further reservation writes off the units that are still back-ordered.
    Raises OrderIsCancelled, OtherReservation, AlreadyShipped, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.cancellation_reason == Order.CancellationReason.OUT_OF_STOCK:
        return order
    order.expect_not_cancelled()
    if order.reservation_id not in (None, reservation_id):
        if order.is_reserved_in_parts and order.confirmed_at and reservation_id:
            return _reject_backordered(order, reservation_id)
        raise OtherReservation(
            f"{order_id} holds the reservation {order.reservation_id}, not {reservation_id}."
            if reservation_id
            else f"reservation_id is required: {order_id} holds {order.reservation_id}."
        )
    expect_not_shipped(order)
    order.reject(
        note=note,
        at=timezone.now(),
        is_paid=payments.selectors.has_money(order),
        held=selectors.held_by_inventory(order),
    )
    order.save()
    return order


def _backordered(order: Order, missing: Counter[str]) -> Units:
    """Return the units that wait for a further reservation, as the organization's policy says.

    An order that waits for one already goes on to do so, whatever the policy is now.
    """
    if not missing:
        return {}
    rule = selectors.policy(order.organization_id).reservation
    if order.is_reserved_in_parts or rule == Policy.Reservation.BACKORDER:
        _expect_reserved(order, order.quantities.total("active_quantity") - missing.total())
        return missing
    if rule == Policy.Reservation.REQUIRED:
        raise PartialReservation(
            f"{missing.total()} units of {order.id} are not reserved: reserve all, or reject the "
            "order."
        )
    return {}


def _expect_reserved(order: Order, quantity: int) -> None:
    if not quantity:
        raise PartialReservation(f"No unit of {order.id} is reserved: reserve some, or reject it.")


def _reject_backordered(order: Order, reservation_id: str) -> Order:
    if order.holds_reservation(reservation_id):
        raise OtherReservation(f"{order.id} holds {reservation_id}: write its units off.")
    _expect_not_replaced(order, reservation_id)
    write_off_backordered_units(order, Order.CancellationReason.OUT_OF_STOCK)
    return order


def _expect_not_replaced(order: Order, reservation_id: str) -> None:
    if selectors.was_reserved(order, reservation_id):
        raise OtherReservation(
            f"{reservation_id} was replaced by {order.reservation_id}: send a new reservation_id."
        )
