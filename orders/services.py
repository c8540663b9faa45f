"""What can be done with orders: one function per verb."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

import fulfillment.selectors
import payments.selectors
import shipments.selectors
from config.core import request_context
from config.core.numbering import take_number
from config.core.timers import for_each
from events.schema import is_published
from orders import selectors
from orders.events import OrderUnitsWrittenOff
from orders.exceptions import (
    AlreadyShipped,
    FulfillmentHasStarted,
    MismatchUnresolved,
    OtherReservation,
    PartialReservation,
    UnknownShipment,
)
from orders.models import Order, Policy
from orders.models.choices import CancellationReason
from orders.models.parts import DeliveryProof, Dispatch, ItemData, ShipmentData
from orders.quantities import (
    AllocationRequest,
    Stock,
    Units,
    UnitsInWarehouse,
    WarehouseUnits,
    count,
)


class ShippingTerms(TypedDict, total=False):
    """What the customer chose. `cost` is before tax; `tax_rate` is a fraction."""

    carrier: str | None
    service: str | None
    cost: Decimal
    tax_rate: Decimal
    signature_required: bool


class DiscountTerms(TypedDict, total=False):
    """An amount off the items, before tax."""

    amount: Decimal
    reason: str | None


class OrderTerms(TypedDict, total=False):
    """What an order may have besides its items."""

    customer_email: str | None
    shipping_address: Mapping[str, str] | None
    billing_address: Mapping[str, str] | None
    shipping: ShippingTerms | None
    discount: DiscountTerms | None
    payment_method: str | None


@transaction.atomic
def open_order(
    *,
    organization_id: str,
    currency: str,
    items: Sequence[ItemData],
    order_id: str | None = None,
    cart_id: str | None = None,
    customer_id: str | None = None,
    session_id: str | None = None,
    local_id: str | None = None,
    replaces: str | None = None,
    place: bool = False,
    **terms: Unpack[OrderTerms],
) -> Order:
    """Open an order, and place it in the same transaction if `place` is true.

    Raises NoItems, DiscountTooLarge, InexactAmount, AmountTooLarge, and with `place` OrderTooLarge.
    """
    shipping = terms.get("shipping") or ShippingTerms()
    discount = terms.get("discount") or DiscountTerms()
    given_id = {"id": order_id} if order_id else {}
    payment_method = terms.get("payment_method")
    ttl = selectors.reservation_ttl_minutes(organization_id, payment_method) if place else None
    number = take_number(organization_id=organization_id, series="ORD", at=timezone.now())
    order = Order.open(
        **given_id,
        organization_id=organization_id,
        number=number,
        cart_id=cart_id,
        replaces_id=replaces,
        customer_id=customer_id,
        session_id=session_id,
        customer_email=terms.get("customer_email"),
        local_id=local_id,
        currency=currency,
        items=items,
        shipping_address=terms.get("shipping_address"),
        billing_address=terms.get("billing_address"),
        carrier=shipping.get("carrier"),
        service=shipping.get("service"),
        signature_required=shipping.get("signature_required", False),
        shipping_cost=shipping.get("cost", Decimal(0)),
        shipping_tax_rate=shipping.get("tax_rate", Decimal(0)),
        discount=discount.get("amount", Decimal(0)),
        discount_reason=discount.get("reason"),
        payment_method=payment_method,
    )
    if ttl:
        _place(order, ttl)
    order.save(force_insert=True)
    return order


@transaction.atomic
def place_order(*, order_id: str, payment_method: str | None = None) -> Order:
    """Place an order; one that costs nothing needs no payment to be confirmed.

    `payment_method` replaces the one that the order was opened with. Raises OrderTooLarge,
    InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.placed_at and not order.is_cancelled():
        return order
    order.payment_method = payment_method or order.payment_method
    ttl = selectors.reservation_ttl_minutes(order.organization_id, order.payment_method)
    _place(order, ttl)
    order.save()
    return order


@transaction.atomic
def extend_reservation(*, order_id: str, until: datetime) -> None:
    """Wait for the payment of a placed order until then, if it is later than now."""
    order = selectors.get_for_update(order_id)
    expires_at = order.reservation_expires_at
    if order.status == Order.Status.PLACED and expires_at and expires_at < until:
        order.extend_reservation(until=until)
        order.save()


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


@transaction.atomic
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
    if is_held and order.quantities.is_allocated_as(reservation_id, reserved):
        return order
    if not is_held and selectors.was_reserved(order, reservation_id):
        raise OtherReservation(
            f"{reservation_id} was replaced by {order.reservation_id}: send a new reservation_id."
        )
    if order.is_reserved_in_parts and not is_held:
        _expect_reserved(order, count(reserved).total())
        order.reserve_backordered(reservation_id=reservation_id, allocations=reserved)
        order.save()
        return order
    if fulfillment.selectors.has_started(order_id):
        raise FulfillmentHasStarted(
            f"A warehouse is picking {order_id}: its allocation cannot change any more."
        )
    kept = order.quantities.allocated(besides=reservation_id) if order.is_reserved_in_parts else []
    missing = order.quantities.missing_in([*kept, *reserved])
    backordered = _backordered(order, missing)
    order.reserve(reservation_id=reservation_id, allocations=reserved, backordered=backordered)
    if order.status == Order.Status.PAID:
        _confirm_paid(order)
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


@transaction.atomic
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
    _expect_not_shipped(order)
    order.reject(
        note=note,
        at=timezone.now(),
        is_paid=payments.selectors.has_money(order.id),
        held=selectors.held_by_inventory(order),
    )
    order.save()
    return order


def _reject_backordered(order: Order, reservation_id: str) -> Order:
    if selectors.was_reserved(order, reservation_id):
        raise OtherReservation(f"{order.id} holds {reservation_id}: write its units off.")
    if units := order.quantities.backordered({line.id: line.quantity for line in order.lines}):
        _write_off(order, _backordered_parts(units), Order.CancellationReason.OUT_OF_STOCK)
    return order


@transaction.atomic(savepoint=False)
def confirm_order(*, order_id: str, payment_id: str | None) -> Order:
    """Confirm an order whose amount due is captured; `payment_id` completed it.

    If the organization confirms only what is reserved, it waits for the reservation. Raises
    NotFullyPaid, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.status == Order.Status.PAID:
        return order  # only its reservation, or an operator who releases it, confirms it
    if order.confirmed_at and order.payment_id == payment_id and not order.is_cancelled():
        return order
    _confirm(order, payment_id, payments.selectors.received(order.id), request_context.now())
    order.save()
    return order


@transaction.atomic
def cancel_order(*, order_id: str, reason: str, note: str = "") -> Order:
    """Cancel an order before anything is shipped. Raises AlreadyShipped, InvalidTransition."""
    order = selectors.get_for_update(order_id)
    if order.is_cancelled() and order.cancellation_reason == reason:
        return order
    _cancel(order, reason, note, timezone.now())
    order.save()
    return order


@transaction.atomic(savepoint=False)
def cancel_unpayable_order(*, order_id: str) -> Order:
    """Cancel an order after its payment's last attempt failed, unless another may succeed."""
    order = selectors.get_for_update(order_id)
    if order.status == Order.Status.PLACED and not payments.selectors.may_still_be_paid(order):
        _cancel(order, Order.CancellationReason.PAYMENT_FAILED, "", request_context.now())
        order.save()
    return order


@transaction.atomic
def hold_order(*, order_id: str, reason: str, note: str = "") -> Order:
    """Put an order on hold, so that none of its units is sent. Raises InvalidTransition."""
    order = selectors.get_for_update(order_id)
    if (order.hold_reason, order.hold_note) == (reason, note):
        return order
    order.hold(reason=reason, note=note, at=request_context.now())
    order.save()
    return order


@transaction.atomic
def release_order(*, order_id: str) -> Order:
    """Release an order from hold.

    One that is held because Inventory has not answered is confirmed without a reservation. Raises
    MismatchUnresolved, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.is_held():
        if payment_id := payments.selectors.mismatched(order_id):
            raise MismatchUnresolved(
                f"{payment_id} captured another amount than was charged. Apply the payment or "
                f"refund it; then {order_id} can be released."
            )
        if order.is_unanswered():
            _confirm_paid(order)
        else:
            order.release()
        order.save()
    return order


@transaction.atomic
def release_after_mismatch(*, order_id: str) -> None:
    """Release an order from its hold for a mismatched payment, unless another one is unresolved."""
    order = selectors.get_for_update(order_id)
    by_mismatch = (Order.HoldReason.PAYMENT, request_context.SYSTEM)
    is_held = (order.hold_reason, order.held_by) == by_mismatch
    if is_held and not order.is_cancelled() and not payments.selectors.mismatched(order_id):
        order.release()
        order.save()


def hold_unreserved_orders(*, now: datetime, organization_id: str | None = None) -> int:
    """Hold paid orders that Inventory has not reserved in time at `now`; return how many."""
    unreserved = selectors.unreserved(now=now, organization_id=organization_id)
    reason, note = Order.HoldReason.RESERVATION, "Inventory has not answered in time."
    return for_each(unreserved, lambda order: order.hold(reason=reason, note=note, at=now))


def expire_unpaid_orders(*, now: datetime, organization_id: str | None = None) -> int:
    """Cancel placed orders whose reservation has expired at `now`; return how many."""
    unpaid = selectors.expired_unpaid(now=now, organization_id=organization_id)
    reason = Order.CancellationReason.RESERVATION_EXPIRED
    return for_each(unpaid, lambda order: _cancel(order, reason, "", now))


def expire_pending_orders(*, now: datetime, organization_id: str | None = None) -> int:
    """Cancel orders that were not placed in time at `now`; return how many."""
    pending = selectors.expired_pending(now=now, organization_id=organization_id)
    reason, note = Order.CancellationReason.OTHER, "It was not placed in time."
    return for_each(pending, lambda order: _cancel(order, reason, note, now))


@transaction.atomic(savepoint=False)
def start_processing(*, order_id: str, warehouse_id: str | None, at: datetime) -> Order:
    """Record that the first warehouse started to pick; later warehouses change nothing."""
    order = selectors.get_for_update(order_id)
    if order.processing_at and not order.is_cancelled():
        return order
    order.start_processing(warehouse_id=warehouse_id, at=at)
    order.save()
    return order


@transaction.atomic(savepoint=False)
def ship_units(*, order_id: str, **shipment: Unpack[ShipmentData]) -> Order:
    """Count the units of a shipment as shipped, once per shipment.

    Raises UnknownOrderItem, TooManyUnits, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if not order.dispatches.filter(shipment_id=shipment["shipment_id"]).exists():
        order.ship(shipment)
        order.save()
    return order


@transaction.atomic(savepoint=False)
def deliver_units(*, order_id: str, shipment_id: str, **proof: Unpack[DeliveryProof]) -> Order:
    """Count the units of a shipment as delivered, once per shipment. Raises UnknownShipment.

    If it was lost, those of its units that are not picked again need not be sent again, now or
    when they are put back later.
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


@transaction.atomic(savepoint=False)
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
    return recover_arrived_units(order_id=order_id)


@transaction.atomic(savepoint=False)
def recover_arrived_units(*, order_id: str) -> Order:
    """Count units as delivered that arrived in a lost shipment while they were picked again.

    Only those whose replacement is not picked any more: it came back, or was put back.
    """
    order = selectors.get_for_update(order_id)
    arrived = selectors.arrived_dispatches(order) if order.delivered_at else []
    if arrived and _recover(order, arrived):
        order.save()
        return selectors.get_for_update(order_id)
    return order


@transaction.atomic
def write_off_units(*, order_id: str, units: Units, reason: str) -> Order:
    """Write off units that will never ship, of each line the back-ordered ones first.

    Raises UnknownOrderItem, TooManyUnits, UnitsArePicked, InvalidTransition.
    """
    order = recover_arrived_units(order_id=order_id)
    backordered = order.quantities.backordered(units)
    parts = _backordered_parts(backordered)
    parts += _by_warehouse(order, Counter(units) - backordered)
    _write_off(order, parts, reason)
    return order


@transaction.atomic(savepoint=False)
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
    order = recover_arrived_units(order_id=order_id)
    planned = fulfillment.selectors.planned_quantities(order_id)
    unplanned = Counter(
        {
            line.id: min(line.unshipped_quantity, line.sendable_quantity - planned[line.id])
            for line in order.lines
        }
    )
    if order.is_fulfillable() and (short := +(Counter(units) & unplanned)):
        parts = [_units(item, warehouse_id, quantity) for item, quantity in short.items()]
        _write_off(order, parts, reason)


@transaction.atomic
def release_written_off_units(*, order_id: str) -> Order:
    """Record that an operator released the stock of all written-off units in Inventory."""
    order = selectors.get_for_update(order_id)
    if write_offs := selectors.unreleased_write_offs(order):
        order.release_units(write_offs=write_offs, at=timezone.now())
        order.save()
    return order


@transaction.atomic(savepoint=False)
def record_returned_units(*, order_id: str, units: Units) -> Order:
    """Count units that the customer returned.

    Raises UnknownOrderItem, TooManyUnits, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    order.record_return(units=units)
    order.save()
    return order


def _place(order: Order, reservation_ttl_minutes: int) -> None:
    now = timezone.now()
    order.place(reservation_ttl_minutes=reservation_ttl_minutes, at=now)
    if not order.total:
        _confirm(order, None, Decimal(0), now)


def _confirm(order: Order, payment_id: str | None, captured: Decimal, at: datetime) -> None:
    """Confirm a paid order, or let it wait for its reservation."""
    timeout = selectors.reservation_timeout(order.organization_id)
    if timeout and order.has_unreserved_units():
        order.await_reservation(payment_id=payment_id, captured=captured, due_at=at + timeout)
    else:
        order.confirm(payment_id=payment_id, captured=captured, at=at)


def _confirm_paid(order: Order) -> None:
    """Confirm an order that has waited for its reservation, maybe for too long.

    If a mismatched payment is to be decided, it stays on hold for that.
    """
    if order.is_unanswered():
        order.release()
        if payment_id := payments.selectors.mismatched(order.id):
            note = f"{payment_id} captured another amount than was charged."
            with request_context.use(actor=request_context.SYSTEM):
                order.hold(reason=Order.HoldReason.PAYMENT, note=note, at=request_context.now())
    captured = payments.selectors.received(order.id)
    order.confirm(payment_id=order.payment_id, captured=captured, at=timezone.now())


def _cancel(order: Order, reason: str, note: str, at: datetime) -> None:
    _expect_not_shipped(order)
    order.cancel(
        reason=reason,
        note=note,
        at=at,
        is_paid=payments.selectors.has_money(order.id),
        held=selectors.held_by_inventory(order),
    )


def _write_off(order: Order, units: WarehouseUnits, reason: str) -> None:
    order.quantities.expect_unpicked(
        count(units), fulfillment.selectors.picked_quantities(order.id)
    )
    order.write_off(
        units=units,
        reason=reason,
        at=request_context.now(),
        is_paid=payments.selectors.has_money(order.id),
        held=_held_without(order, units),
    )
    order.save()


def _recover(order: Order, shipments: Iterable[Sequence[Dispatch]]) -> bool:
    """Count units of lost shipments as shipped again; return whether there are any.

    Not those that a warehouse has picked again.
    """
    picked, any_found = fulfillment.selectors.picked_quantities(order.id), False
    for dispatches in shipments:
        lost = {each.order_item_id: each.reopened_quantity for each in dispatches}
        if found := order.quantities.unpicked(lost, picked):
            order.recover_units(dispatches=dispatches, units=_by_warehouse(order, found))
            picked.update(found)
            any_found = True
    return any_found


def _backordered_parts(units: Units) -> list[UnitsInWarehouse]:
    return [_units(item, None, quantity, is_backordered=True) for item, quantity in units.items()]


def _held_without(order: Order, units: WarehouseUnits) -> Stock:
    """Return what Inventory holds after a write-off. It matters if no unit is left."""
    if count(units).total() != order.quantities.total("active_quantity"):
        return Counter()
    held = selectors.held_by_inventory(order)
    return held - order.quantities.stock(units) if is_published(OrderUnitsWrittenOff) else held


def _by_warehouse(order: Order, units: Units) -> list[UnitsInWarehouse]:
    """Return the units by the warehouse that will not send them.

    Fulfillments are reduced in this order. Units without one yet are taken from the warehouse
    that was allocated last.
    """
    movable = fulfillment.selectors.movable_quantities(order.id)
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


def _expect_not_shipped(order: Order) -> None:
    """Refuse while a dispatched shipment waits for the reaction that records it in the order."""
    if order.has_shipped_nothing() and shipments.selectors.is_any_dispatched(order.id):
        raise AlreadyShipped(
            f"A shipment of {order.id} has left: write off the units that have not."
        )
