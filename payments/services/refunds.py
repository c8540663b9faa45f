"""Giving money back: every refund is a row here, whatever asks for it."""

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

import orders.selectors
from config.core.exceptions import Conflict, Missing
from payments.models import Payment, Refund
from payments.services.locks import lock_payment, lock_payments, save
from payments.services.taking import abandon

ORIGINAL = Refund.Method.ORIGINAL_PAYMENT
Reason = Refund.Reason


class UnknownRefund(Missing):
    """The payment has no such refund."""


class OrderNotConfirmed(Conflict):
    """The order's money has come, and the order has not heard of it yet."""

    code = "order_not_confirmed"


class PaidOutOnce(Conflict):
    """The gateway has paid this refund out before it came back: it is owed."""

    code = "paid_out_once"


class NotByHand(Conflict):
    """The gateway pays this refund out, and says itself when it has."""

    code = "not_by_hand"


@transaction.atomic
def request_refund(
    *, payment_id: str, amount: Decimal, reason: str, method: str = ORIGINAL
) -> Refund:
    """Give back `amount`, in the currency that was captured.

    Raises RefundTooLarge, InexactAmount, OrderNotConfirmed, InvalidTransition.
    """
    payment = lock_payment(payment_id)
    payment.expect_refundable(amount)
    if payment.counts and payment.order.status == payment.order.Status.PLACED:
        raise OrderNotConfirmed(
            f"{payment.order_id} is paid, and about to be confirmed: wait for that, or cancel it, "
            "and the money goes back by itself."
        )
    return _refund(payment, amount, reason, method)


@transaction.atomic
def record_refund(*, payment_id: str, refund_id: str) -> Payment:
    """Record that an operator has given the money back. Raises UnknownRefund, NotByHand."""
    payment = lock_payment(payment_id)
    refund = _by_hand(payment, refund_id)
    if refund.status == Refund.Status.PENDING:
        payment.complete_refund(refund=refund, gateway_refund_id=None, at=timezone.now())
        save(payment)
    return payment


@transaction.atomic
def withdraw_refund(*, payment_id: str, refund_id: str) -> Payment:
    """Give up a refund that an operator was to pay out.

    Raises UnknownRefund, NotByHand, PaidOutOnce.
    """
    payment = lock_payment(payment_id)
    refund = _by_hand(payment, refund_id)
    if refund.gateway_refund_id:
        raise PaidOutOnce(f"{refund_id} has come back to us: pay it out by hand.")
    if refund.status == Refund.Status.PENDING:
        message = "An operator has withdrawn it."
        payment.fail_refund(
            refund=refund, code=Refund.WITHDRAWN, message=message, at=timezone.now()
        )
        save(payment)
    return payment


@transaction.atomic
def refund_order(
    *,
    order_id: str,
    amount: Decimal,
    reason: str,
    method: str = ORIGINAL,
    cause: str | None = None,
) -> None:
    """Give back `amount` of what was paid for an order, the latest money first.

    What an operator has given back before is not given twice: at most what is left goes, and of
    the rest it is told that it fell short.
    """
    payments = lock_payments(orders.selectors.get_for_update(order_id))
    counting = [payment for payment in reversed(payments) if payment.counts]
    for payment in counting:
        if part := min(amount, payment.refundable):
            _refund(payment, part, reason, method, cause)
            amount -= part
    if counting and amount:
        counting[0].fall_short(amount=amount, cause=cause)
        save(counting[0])


@transaction.atomic
def refund_cancelled_order(*, order_id: str) -> None:
    """Give back all that has come for an order, and wait for no more."""
    payments = lock_payments(orders.selectors.get_for_update(order_id))
    abandon(payments, reason="order_cancelled", at=timezone.now())
    for payment in payments:
        _refund_rest(payment, Reason.ORDER_CANCELLED)


@transaction.atomic
def refund_unwanted(*, payment_id: str) -> None:
    """Give back what came for an order that is cancelled, or that was paid before."""
    payment = lock_payment(payment_id)
    if payment.order.status == payment.order.Status.CANCELLED:
        _refund_rest(payment, Reason.ORDER_CANCELLED)
    elif not (payment.counts or payment.is_mismatched):
        _refund_rest(payment, Reason.OTHER)


def _by_hand(payment: Payment, refund_id: str) -> Refund:
    if not (refund := payment.giveback(refund_id)):
        raise UnknownRefund(f"{payment.id} has no refund {refund_id}.")
    if not payment.goes_by_hand(refund):
        raise NotByHand(f"The gateway pays {refund_id} out, and says itself when it has.")
    return refund


def _refund_rest(payment: Payment, reason: str) -> None:
    if payment.has_money_left():
        _refund(payment, payment.refundable, reason)


def _refund(
    payment: Payment,
    amount: Decimal,
    reason: str,
    method: str = ORIGINAL,
    cause: str | None = None,
) -> Refund:
    payment.request_refund(
        amount=amount, reason=reason, method=method, cause=cause, at=timezone.now()
    )
    save(payment)
    return payment.givebacks[-1]
