"""Refunding captured money. Every refund is a row, whatever requested it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Unpack

from django.utils import timezone

import orders.selectors
from config.core import request_context
from config.core.money import decimals, exact, money
from config.core.unit_of_work import unit_of_work
from payments import selectors
from payments.events import RefundFellShort, RefundPart
from payments.exceptions import (
    OrderNotConfirmed,
    PaymentDoesNotApply,
    RefundNotManual,
    RefundReturned,
    RefundTooLarge,
    RefusedByGateway,
    UnknownRefund,
)
from payments.gateways import RefundResult
from payments.gateways.stripe.objects import step
from payments.models import DisputeStatus, Payment, Refund
from payments.refund_parts import ZERO, RefundRequest, as_goodwill, has_parts, take, total
from payments.services.gateway_results import abandon_all, settle_refund

if TYPE_CHECKING:
    from orders.events import PaidUnits
    from orders.models import Order

ORIGINAL = Refund.Method.ORIGINAL_PAYMENT
Reason = Refund.Reason


@unit_of_work()
def request_refund(
    *, payment_id: str, reason: str, method: str = ORIGINAL, **request: Unpack[RefundRequest]
) -> Refund:
    """Refund what a client requests, in the captured currency.

    Raises RefundTooLarge, RefusedByGateway, PaymentDoesNotApply, OrderNotConfirmed,
    InvalidTransition, and what `Refundable.requested` raises.
    """
    payment = selectors.get_for_update(payment_id)
    order = payment.order
    if payment.applies_to_order:
        parts = selectors.refundable_parts(order).requested(request)
        _check_refundable(payment, total(parts))
        _expect_confirmed(order)
    else:
        amount = request.get("amount") or ZERO
        _check_refundable(payment, amount)
        if has_parts(request):
            raise PaymentDoesNotApply(f"{payment.id} does not pay {order.id}: refund an amount.")
        parts = as_goodwill(money(amount, payment.settlement_currency))
    if method == ORIGINAL:
        _expect_payable(payment, total(parts))
    return _refund(payment, parts, reason, method)


@unit_of_work()
def request_order_refund(
    *, order_id: str, reason: str, method: str = ORIGINAL, **request: Unpack[RefundRequest]
) -> list[Refund]:
    """Refund what a client requests of an order, the latest payment first.

    Raises RefundTooLarge, RefusedByGateway, OrderNotConfirmed, and what `Refundable.requested`
    raises.
    """
    order = orders.selectors.get_for_update(order_id)
    parts = selectors.refundable_parts(order).requested(request)
    refundable, amount = money(selectors.remaining(order), order.currency), total(parts)
    if amount > refundable:
        raise RefundTooLarge(
            f"{order.id} has {refundable} {order.currency} left to refund, not {amount}.",
            max_refundable=str(refundable),
        )
    _expect_confirmed(order)
    refunds = _refund_parts(order, parts, reason, method)
    if missing := amount - sum((refund.amount for refund in refunds), ZERO):
        for payment in selectors.applied_to(order):
            _expect_payable(payment, missing)
    return refunds


@unit_of_work()
def record_refund(*, payment_id: str, refund_id: str) -> Payment:
    """Record that an operator has paid a refund out. Raises UnknownRefund, RefundNotManual."""
    payment = selectors.get_for_update(payment_id)
    refund = _manual_refund(payment, refund_id)
    if refund.is_pending:
        settle_refund(payment, refund, at=timezone.now())
        payment.save()
    return payment


@unit_of_work()
def withdraw_refund(*, payment_id: str, refund_id: str) -> Payment:
    """Withdraw a refund that an operator has not paid out.

    Raises UnknownRefund, RefundNotManual, RefundReturned.
    """
    payment = selectors.get_for_update(payment_id)
    refund = _manual_refund(payment, refund_id)
    if refund.gateway_refund_id:
        raise RefundReturned(f"{refund_id} came back from the gateway: pay it out by hand.")
    if refund.is_pending:
        payment.withdraw_refund(refund=refund, at=timezone.now())
        payment.save()
    return payment


@unit_of_work()
def refund_written_off_units(
    *, order_id: str, amount: Decimal, lines: Sequence["PaidUnits"]
) -> None:
    """Refund the price of units that will never ship; `lines` are empty in older events.

    What was refunded of them before, or is not left of the captured money, is recorded as a
    shortfall.
    """
    order = orders.selectors.get_for_update(order_id)
    parts = selectors.refundable_parts(order).written_off(lines) if lines else as_goodwill(amount)
    _refund_due(order, amount, parts, Reason.UNITS_WRITTEN_OFF)


@unit_of_work()
def refund_return(
    *, order_id: str, return_id: str, amount: Decimal, lines: Sequence["PaidUnits"], method: str
) -> None:
    """Refund an amount for the accepted units of a return; `lines` are empty in older events.

    What was refunded of them before, or is not left of the captured money, is recorded as a
    shortfall.
    """
    order = orders.selectors.get_for_update(order_id)
    parts = as_goodwill(amount)
    if lines:
        earlier = selectors.refunded_parts(order, cause=return_id)
        parts = selectors.refundable_parts(order).returned(lines, amount, earlier)
    rest = _exchange(order, parts, return_id)
    order, left = orders.selectors.get_for_update(order_id), amount - total(parts) + total(rest)
    _refund_due(order, left, rest, Reason.CUSTOMER_RETURN, method, return_id)


def _exchange(order: "Order", parts: Sequence[RefundPart], return_id: str) -> list[RefundPart]:
    """Let a refund pay the order that exchanges the return; return the parts that are left."""
    rest, exchange = list(parts), orders.selectors.exchange_of(return_id)
    if not exchange or selectors.owed(order):
        return rest
    for payment_id in [each.id for each in selectors.applied_to(order)]:
        due = selectors.amount_due(orders.selectors.get_for_update(exchange.id))
        payment = selectors.get_for_update(payment_id)
        taken, rest = take(rest, min(payment.refundable, due))
        _move(payment_id, taken, exchange.id, Reason.CUSTOMER_RETURN, return_id)
    return rest


@unit_of_work()
def refund_cancelled_order(*, order_id: str) -> None:
    """Refund everything that was captured for an order, and stop waiting for the rest.

    The money of a replaced order moves first: see `move_money`.
    """
    order = orders.selectors.get_for_update(order_id)
    if not order.replaced_by_id:
        _refund_cancelled_order(order)


def _refund_cancelled_order(order: "Order") -> None:
    payments = selectors.of_order_for_update(order)
    abandon_all(payments, reason="order_cancelled", at=request_context.now())
    if selectors.on_account(order):
        rest = selectors.refundable_parts(order).rest(selectors.remaining(order))
        _waive(order, rest, Reason.ORDER_CANCELLED)
    for payment in payments:
        _refund_rest(payment, Reason.ORDER_CANCELLED)


@unit_of_work()
def move_money(*, order_id: str) -> None:
    """Let the money of a replaced order count for the one that replaces it; refund the rest."""
    replaced_id = str(orders.selectors.get_for_update(order_id).replaces_id)
    replaced = orders.selectors.get_for_update(replaced_id)
    for payment_id in [each.id for each in reversed(selectors.applied_to(replaced))]:
        payment = selectors.get_for_update(payment_id)
        rest = selectors.refundable_parts(payment.order).rest(selectors.remaining(payment.order))
        due = selectors.amount_due(orders.selectors.get_for_update(order_id))
        parts, _ = take(rest, min(payment.refundable, due))
        _move(payment_id, parts, order_id, Reason.ORDER_CANCELLED)
    _refund_cancelled_order(orders.selectors.get_for_update(replaced_id))


def _move(
    payment_id: str,
    parts: Sequence[RefundPart],
    order_id: str,
    reason: str,
    cause: str | None = None,
) -> None:
    """Let money of a payment count for another order. Rows are asked for again after `save()`."""
    if not total(parts):
        return
    payment, at = selectors.get_for_update(payment_id), request_context.now()
    by_hand = Refund.Method.MANUAL
    payment.request_refund(parts=parts, reason=reason, method=by_hand, cause=cause, at=at)
    payment.refunds[-1].moved_to = orders.selectors.get_for_update(order_id)
    settle_refund(payment, payment.refunds[-1], at=at)
    payment.save()
    order = orders.selectors.get_for_update(order_id)
    moved = payment.part_for(order, total(parts), at, moved_from_id=payment.announced_id)
    moved.take_over(due=selectors.amount_due(order), at=payment.paid_at)
    moved.save()


@unit_of_work()
def refund_surplus(*, payment_id: str) -> None:
    """Refund money beyond what was due, if a gateway can. Otherwise an operator decides."""
    payment = selectors.get_for_update(payment_id)
    if not payment.is_by_hand or payment.order.is_cancelled():
        _refund_rest(payment, Reason.OTHER)


@unit_of_work()
def refund_unneeded_payment(*, payment_id: str) -> None:
    """Refund a payment whose order is cancelled."""
    payment = selectors.get_for_update(payment_id)
    if payment.order.is_cancelled():
        _refund_rest(payment, Reason.ORDER_CANCELLED)


def record_gateway_refund(payment: Payment, result: RefundResult, *, now: datetime) -> bool:
    """Record a refund that was made at the gateway itself, once it is paid out.

    Return False if it is more than what is left, because a refund of ours is then about to fail, or
    if it failed, because the webhook that it was paid out may still arrive.
    """
    if result.state != "succeeded":
        return result.state == "pending"  # another webhook reports the outcome
    assert result.amount is not None, "the gateway reports it"
    left = sum((each.refundable for each in selectors.of_one_charge(payment)), ZERO)
    if not payment.is_captured or result.amount > left:
        return False
    at = result.refunded_at or now
    _record_paid_out(payment, result.amount, str(result.gateway_refund_id), at)
    return True


@unit_of_work()
def record_lost_disputes(*, payment_id: str) -> None:
    """Record that the bank has given disputed amounts back to the customer, as far as any is left.

    What is being refunded is not left: if that fails, it is lost too.
    """
    payment = selectors.get_for_update(payment_id)
    rows = selectors.of_one_charge(payment)
    for dispute in [each for row in rows for each in row.disputes]:
        refunds = (refund for row in rows for refund in row.refunds)
        known = (each.amount for each in refunds if each.gateway_refund_id == dispute.id)
        left = dispute.amount - sum(known, ZERO)
        if dispute.status == DisputeStatus.LOST and left > 0:
            at = dispute.closed_at or request_context.now()
            _record_paid_out(payment, left, dispute.id, at)
            payment.save()


def _record_paid_out(
    payment: Payment, amount: Decimal, gateway_refund_id: str, at: datetime
) -> None:
    """Record what the gateway paid out, as far as it is left in the payments of the charge.

    The caller saves the payment.
    """
    for row in selectors.of_one_charge(payment):
        part, now = min(amount, row.refundable), timezone.now()
        if part > 0:
            amount -= part
            parts = _parts_of(row, money(part, row.settlement_currency))
            row.request_refund(
                parts=parts, reason=Reason.OTHER, method=ORIGINAL, cause=None, at=now
            )
            row.refunds[-1].gateway_refund_id = gateway_refund_id
            settle_refund(row, row.refunds[-1], at=at)
            if row is not payment:
                row.save()


def _check_refundable(payment: Payment, amount: Decimal) -> None:
    """Raise RefundTooLarge if less than `amount` can be refunded, or InexactAmount."""
    currency = payment.settlement_currency
    refundable, requested = money(payment.refundable, currency), exact(amount, currency)
    if requested > refundable:
        raise RefundTooLarge(
            f"{payment.id} has {refundable} {currency} left to refund, not {requested}.",
            max_refundable=str(refundable),
        )


def _step(payment: Payment) -> Decimal:
    """Return the smallest amount that the payment's gateway pays out."""
    currency = payment.settlement_currency
    is_stripe = payment.method == Payment.Method.STRIPE
    return step(currency) if is_stripe else Decimal(1).scaleb(-decimals(currency))


def _expect_payable(payment: Payment, amount: Decimal) -> None:
    """Raise RefusedByGateway."""
    if amount % _step(payment):
        raise RefusedByGateway(
            f"Stripe pays {payment.settlement_currency} out in steps of {_step(payment):f}, not "
            f"{amount}.",
            gateway_code="unsupported_amount",
        )


def _expect_confirmed(order: "Order") -> None:
    if order.status in (order.Status.PLACED, order.Status.PAID):
        raise OrderNotConfirmed(
            f"{order.id} is not confirmed yet. Refund it after that, or cancel the order, "
            "which refunds it."
        )


def _manual_refund(payment: Payment, refund_id: str) -> Refund:
    if not (refund := selectors.find_refund(payment, refund_id)):
        raise UnknownRefund(f"{payment.id} has no refund {refund_id}.")
    if not refund.is_by_hand:
        raise RefundNotManual(f"The gateway pays {refund_id} out and reports the result.")
    return refund


def _refund_rest(payment: Payment, reason: str) -> None:
    if payment.is_refundable():
        amount = money(payment.refundable, payment.settlement_currency)
        _refund(payment, _parts_of(payment, amount), reason)


def _parts_of(payment: Payment, amount: Decimal) -> list[RefundPart]:
    """Return an amount of a payment as parts: goodwill, unless it is all that is left of it."""
    order = payment.order
    is_sold = order.confirmed_at or order.is_cancelled()
    if not (payment.applies_to_order and is_sold) or amount < payment.refundable:
        return as_goodwill(amount)
    rest = selectors.refundable_parts(order).rest(selectors.remaining(order))
    parts, _ = take(rest, amount)
    return parts


def _refund_due(
    order: "Order",
    amount: Decimal,
    parts: Sequence[RefundPart],
    reason: str,
    method: str = ORIGINAL,
    cause: str | None = None,
) -> None:
    """Refund the parts of an amount that is due, and record what it falls short."""
    refunds = _refund_parts(order, parts, reason, method, cause)
    missing = amount - sum((refund.amount for refund in refunds), ZERO)
    if missing and (applied := selectors.applied_to(order)):
        latest, currency = applied[0], order.currency
        latest.record(RefundFellShort.of(latest, cause=cause, amount=missing, currency=currency))
        latest.save()


def _refund_parts(
    order: "Order",
    parts: Sequence[RefundPart],
    reason: str,
    method: str = ORIGINAL,
    cause: str | None = None,
) -> list[Refund]:
    """Refund the parts, the latest payment first, as far as money is left.

    What the customer still owes for the order is waived before. Where a gateway pays out in steps,
    an amount is rounded down to them.
    """
    refunds, rest = _waive(order, parts, reason, cause)
    for payment in selectors.applied_to(order):
        if payment.is_refundable():
            taken, rest = take(rest, payment.refundable)
            if method == ORIGINAL and (over := total(taken) % _step(payment)):
                taken, left = take(taken, total(taken) - over)
                rest = [*left, *rest]
            if total(taken):
                refunds.append(_refund(payment, taken, reason, method, cause))
    return refunds


def _waive(
    order: "Order", parts: Sequence[RefundPart], reason: str, cause: str | None = None
) -> tuple[list[Refund], list[RefundPart]]:
    """Let the customer owe less, as far as something is due; return the parts that are left."""
    account = selectors.on_account(order)
    if not account or not (due := selectors.owed(order)):
        return [], list(parts)
    taken, rest = take(parts, due)
    if not total(taken):
        return [], rest
    account.waive(parts=taken, reason=reason, cause=cause, at=request_context.now())
    account.settle(selectors.owed(order))
    account.save()
    if account.status == Payment.Status.CLOSED:
        others = selectors.of_order_for_update(order)
        abandon_all(others, reason="order_paid", at=request_context.now())
    return [account.refunds[-1]], rest


def _refund(
    payment: Payment,
    parts: Sequence[RefundPart],
    reason: str,
    method: str = ORIGINAL,
    cause: str | None = None,
) -> Refund:
    payment.request_refund(
        parts=parts, reason=reason, method=method, cause=cause, at=request_context.now()
    )
    payment.save()
    return payment.refunds[-1]
