"""From opening an order to its confirmation or its end."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

import fulfillment.selectors
import payments.selectors
import shipments.selectors
from config.core.numbering import next_number
from config.core.timers import for_each
from orders import selectors
from orders.exceptions import FulfillmentHasStarted, HasLeft
from orders.models import Order


@transaction.atomic
def open_order(
    *,
    organization_id: str,
    currency: str,
    items: Sequence[Mapping[str, Any]],
    order_id: str | None = None,
    cart_id: str | None = None,
    customer_id: str | None = None,
    customer_email: str | None = None,
    local_id: str | None = None,
    replaces: str | None = None,
    shipping_address: Mapping[str, Any] | None = None,
    billing_address: Mapping[str, Any] | None = None,
    shipping: Mapping[str, Any] | None = None,
    discount: Mapping[str, Any] | None = None,
    place: bool = False,
) -> Order:
    """Open an order, and place it at once where `place` is true; else nothing is reserved yet.

    `items`: variant_id, title, quantity, unit_price, tax_rate, preferred_warehouse_id each;
    `shipping`: carrier, service, cost, tax_rate, signature_required; `discount`: amount, reason.
    Amounts are Decimals before tax, in `currency`; rates are fractions.
    Raises DiscountTooLarge, InexactAmount, AmountTooLarge.
    """
    shipping, discount = shipping or {}, discount or {}
    ours = {"id": order_id} if order_id else {}
    ttl = selectors.reservation_ttl_minutes(organization_id) if place else None
    # From the number on, other orders of the organization wait for this one's commit.
    order = Order.open(
        **ours,
        organization_id=organization_id,
        number=next_number(organization_id=organization_id, series="ORD", at=timezone.now()),
        cart_id=cart_id,
        replaces_id=replaces,
        customer_id=customer_id,
        customer_email=customer_email,
        local_id=local_id,
        currency=currency,
        items=items,
        shipping_address=shipping_address,
        billing_address=billing_address,
        carrier=shipping.get("carrier"),
        service=shipping.get("service"),
        signature_required=shipping.get("signature_required", False),
        shipping_cost=shipping.get("cost", Decimal(0)),
        shipping_tax_rate=shipping.get("tax_rate", Decimal(0)),
        discount=discount.get("amount", Decimal(0)),
        discount_reason=discount.get("reason"),
    )
    if ttl:
        _place(order, ttl)
    order.save(force_insert=True)
    return order


@transaction.atomic
def place_order(*, order_id: str) -> Order:
    """The customer commits. An order that costs nothing is confirmed at once.

    Raises OrderTooLarge, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.placed_at and order.status != Order.Status.CANCELLED:
        return order
    _place(order, selectors.reservation_ttl_minutes(order.organization_id))
    order.save()
    return order


def answer_reservation(
    *,
    order_id: str,
    rejected: bool,
    reason: str = "",
    reservation_id: str = "",
    allocations: Sequence[Mapping[str, Any]] = (),
) -> Order:
    """Record what Inventory answers: where the units come from, or that there are none.

    The errors are those of `reserve_stock` and `reject_reservation`.
    """
    if rejected:
        return reject_reservation(order_id=order_id, note=reason)
    return reserve_stock(order_id=order_id, reservation_id=reservation_id, allocations=allocations)


@transaction.atomic
def reserve_stock(
    *, order_id: str, reservation_id: str, allocations: Sequence[Mapping[str, Any]]
) -> Order:
    """Record Inventory's reservation: order_item_id, warehouse_id and quantity each.

    Raises OrderIsCancelled, FulfillmentHasStarted, UnknownItem, TooManyUnits, OrderTooLarge,
    InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    order.expect_not_cancelled()
    if order.reservation_id == reservation_id and order.is_allocated_as(allocations):
        return order
    if fulfillment.selectors.has_started(order_id):
        raise FulfillmentHasStarted(f"{order_id} is being picked: its allocation is fixed.")
    order.reserve(reservation_id=reservation_id, allocations=allocations)
    order.save()
    return order


@transaction.atomic
def reject_reservation(*, order_id: str, note: str = "") -> Order:
    """Inventory has not got it: the order is cancelled, reason `out_of_stock`.

    Raises OrderIsCancelled, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.cancellation_reason == Order.CancellationReason.OUT_OF_STOCK:
        return order
    order.expect_not_cancelled()
    _expect_nothing_has_left(order)
    order.reject(note=note, at=timezone.now(), is_paid=payments.selectors.has_money(order.id))
    order.save()
    return order


@transaction.atomic
def confirm_order(*, order_id: str, payment_id: str | None) -> Order:
    """The payment that completes the amount due has been captured. Raises NotFullyPaid."""
    order = selectors.get_for_update(order_id)
    paid_by = order.payment_id if order.confirmed_at else ""
    if paid_by == payment_id and order.status != Order.Status.CANCELLED:
        return order
    captured = payments.selectors.received(order.id)
    order.confirm(payment_id=payment_id, captured=captured, at=timezone.now())
    order.save()
    return order


@transaction.atomic
def cancel_order(*, order_id: str, reason: str, note: str = "") -> Order:
    """Cancel an order of which nothing has been dispatched."""
    order = selectors.get_for_update(order_id)
    if order.status == Order.Status.CANCELLED and order.cancellation_reason == reason:
        return order
    _cancel(order, reason, note, timezone.now())
    order.save()
    return order


@transaction.atomic
def cancel_unpayable_order(*, order_id: str) -> Order:
    """The last attempt to take the money was declined; unless another payment may succeed."""
    order = selectors.get_for_update(order_id)
    if order.status == Order.Status.PLACED and not payments.selectors.may_yet_be_paid(order.id):
        _cancel(order, Order.CancellationReason.PAYMENT_FAILED, "", timezone.now())
        order.save()
    return order


@transaction.atomic
def hold_order(*, order_id: str, reason: str, note: str = "") -> Order:
    """Keep fulfillment from starting until somebody has looked at it."""
    order = selectors.get_for_update(order_id)
    if (order.hold_reason, order.hold_note) == (reason, note):
        return order
    order.hold(reason=reason, note=note, at=timezone.now())
    order.save()
    return order


@transaction.atomic
def release_order(*, order_id: str) -> Order:
    """Lift the hold."""
    order = selectors.get_for_update(order_id)
    if order.is_held():
        order.release()
        order.save()
    return order


def expire_unpaid_orders(*, now: datetime, organization_id: str | None = None) -> int:
    """Cancel placed orders whose reservation has expired at `now`; return how many."""
    unpaid = selectors.unpaid(now=now, organization_id=organization_id)
    reason = Order.CancellationReason.RESERVATION_EXPIRED
    return for_each(unpaid, lambda order: _cancel(order, reason, "", now))


def _cancel(order: Order, reason: str, note: str, at: datetime) -> None:
    _expect_nothing_has_left(order)
    is_paid = payments.selectors.has_money(order.id)
    order.cancel(reason=reason, note=note, at=at, is_paid=is_paid)


def _expect_nothing_has_left(order: Order) -> None:
    """The order itself hears of a dispatch a moment later."""
    if order.has_dispatched_nothing() and shipments.selectors.is_any_dispatched(order.id):
        raise HasLeft(f"A shipment of {order.id} has left: write off what has not.")


def _place(order: Order, reservation_ttl_minutes: int) -> None:
    now = timezone.now()
    order.place(reservation_ttl_minutes=reservation_ttl_minutes, at=now)
    if not order.total:
        order.confirm(payment_id=None, captured=Decimal(0), at=now)
