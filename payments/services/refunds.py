"""Refunding captured money. Every refund is a row, whatever requested it."""

from decimal import Decimal

from django.utils import timezone

import orders.selectors
from config.core import request_context
from config.core.unit_of_work import unit_of_work
from payments import selectors
from payments.exceptions import OrderNotConfirmed, RefundNotManual, RefundReturned, UnknownRefund
from payments.models import Payment, Refund
from payments.services.capture import abandon_all

ORIGINAL = Refund.Method.ORIGINAL_PAYMENT
Reason = Refund.Reason


@unit_of_work()
def request_refund(
    *, payment_id: str, amount: Decimal, reason: str, method: str = ORIGINAL
) -> Refund:
    """Refund `amount`, in the captured currency.

    Raises RefundTooLarge, InexactAmount, OrderNotConfirmed, InvalidTransition.
    """
    payment = selectors.get_for_update(payment_id)
    payment.check_refundable(amount)
    order = payment.order
    if payment.applies_to_order and order.status in (order.Status.PLACED, order.Status.PAID):
        raise OrderNotConfirmed(
            f"{order.id} is not confirmed yet. Refund it after that, or cancel the order, "
            "which refunds it."
        )
    return _refund(payment, amount, reason, method)


@unit_of_work()
def record_refund(*, payment_id: str, refund_id: str) -> Payment:
    """Record that an operator has paid a refund out. Raises UnknownRefund, RefundNotManual."""
    payment = selectors.get_for_update(payment_id)
    refund = _manual_refund(payment, refund_id)
    if refund.is_pending:
        payment.record_refund(refund=refund, at=timezone.now())
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
def refund_order(
    *,
    order_id: str,
    amount: Decimal,
    reason: str,
    method: str = ORIGINAL,
    cause: str | None = None,
) -> None:
    """Refund `amount` of the money that was captured for an order, the latest payment first.

    At most what is left is refunded, because an operator may have refunded some before. The rest is
    recorded as a shortfall.
    """
    payments = selectors.of_order_for_update(orders.selectors.get_for_update(order_id))
    applied = [payment for payment in reversed(payments) if payment.applies_to_order]
    for payment in applied:
        if part := min(amount, payment.refundable):
            _refund(payment, part, reason, method, cause)
            amount -= part
    if applied and amount:
        applied[0].record_shortfall(amount=amount, cause=cause)
        applied[0].save()


@unit_of_work()
def refund_cancelled_order(*, order_id: str) -> None:
    """Refund everything that was captured for an order, and stop waiting for the rest."""
    payments = selectors.of_order_for_update(orders.selectors.get_for_update(order_id))
    abandon_all(payments, reason="order_cancelled", at=request_context.now())
    for payment in payments:
        _refund_rest(payment, Reason.ORDER_CANCELLED)


@unit_of_work()
def refund_unneeded_payment(*, payment_id: str) -> None:
    """Refund a payment whose order is cancelled, or was paid before."""
    payment = selectors.get_for_update(payment_id)
    if payment.order.status == payment.order.Status.CANCELLED:
        _refund_rest(payment, Reason.ORDER_CANCELLED)
    elif not (payment.applies_to_order or payment.is_mismatched):
        _refund_rest(payment, Reason.OTHER)


def _manual_refund(payment: Payment, refund_id: str) -> Refund:
    if not (refund := payment.find_refund(refund_id)):
        raise UnknownRefund(f"{payment.id} has no refund {refund_id}.")
    if not payment.is_manual_refund(refund):
        raise RefundNotManual(f"The gateway pays {refund_id} out and reports the result.")
    return refund


def _refund_rest(payment: Payment, reason: str) -> None:
    if payment.is_refundable():
        _refund(payment, payment.refundable, reason)


def _refund(
    payment: Payment,
    amount: Decimal,
    reason: str,
    method: str = ORIGINAL,
    cause: str | None = None,
) -> Refund:
    payment.request_refund(
        amount=amount, reason=reason, method=method, cause=cause, at=request_context.now()
    )
    payment.save()
    return payment.refunds[-1]
