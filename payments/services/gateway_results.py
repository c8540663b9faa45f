"""Applies the results of gateways to payments, whichever way and however often they arrive."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from payments import selectors
from payments.gateways import PaymentResult, RefundResult
from payments.models import Payment, Refund

if TYPE_CHECKING:
    from orders.models import Order

Status = Payment.Status
Source = Literal["attempt", "retrieve"]


def is_still_due(order: "Order") -> bool:
    """Whether captured money pays the order: it is placed, and not paid in full."""
    return order.status == order.Status.PLACED and selectors.received(order) < order.total


def apply_payment_result(
    payment: Payment, result: PaymentResult, *, now: datetime, source: Source | None = None
) -> None:
    """Move a payment to the state at its gateway, and never backwards.

    `source` is the call about the latest attempt that returned the result. Otherwise the result
    came from a webhook, or from a call that was overtaken, and may refer to an earlier attempt.
    """
    if payment.is_captured:
        return
    payment.gateway_payment_id = payment.gateway_payment_id or result.gateway_payment_id
    payment.client_secret = payment.client_secret or result.client_secret
    match result.state:
        case "succeeded":
            _succeed(payment, result, now)
        case "declined" if not payment.has_declined(result.charge_id):
            _decline(payment, result, now)
        case "declined" if source and payment.latest_attempt.token:
            # The same card again, declined before there was a charge.
            _decline(payment, replace(result, charge_id=payment.latest_attempt.id), now)
        case "cancelled":
            if not payment.abandoned_at:
                payment.abandon(reason="cancelled_at_gateway", at=now)
            payment.closed_at = now
        case _ if source and not payment.abandoned_at:
            _wait(payment, result, source, now)


def apply_refund_result(
    payment: Payment, refund: Refund, result: RefundResult, *, now: datetime
) -> None:
    """Settle a refund as its gateway reports. A refund that was paid out may still fail."""
    error = {"code": result.error_code, "message": result.error_message}
    if payment.is_manual_refund(refund):
        return
    if refund.is_pending:
        refund.gateway_refund_id = refund.gateway_refund_id or result.gateway_refund_id
        payment.save_part(refund)
        if result.state == "succeeded":
            payment.complete_refund(
                refund=refund,
                gateway_refund_id=result.gateway_refund_id,
                at=result.refunded_at or now,
            )
        elif result.state == "failed":
            payment.fail_refund(refund=refund, at=now, **error)
    elif refund.status == Refund.Status.SUCCEEDED and result.state == "failed":
        payment.bounce_refund(refund=refund, **error)


def _succeed(payment: Payment, result: PaymentResult, now: datetime) -> None:
    assert result.amount is not None, "a captured payment has an amount"
    assert result.currency, "and a currency"
    payment.ensure_accepted(at=now)
    card = {"card_brand": result.card_brand, "card_last4": result.card_last4}
    at = result.paid_at or now
    if (result.amount, result.currency) == (payment.amount, payment.currency):
        payment.succeed(is_still_due=is_still_due(payment.order), at=at, **card)
    else:
        payment.mismatch(captured=result.amount, currency=result.currency, at=at, **card)


def _decline(payment: Payment, result: PaymentResult, now: datetime) -> None:
    if payment.abandoned_at:
        return
    # An attempt that was declined before the gateway created a payment was never pending.
    if payment.status != Status.PENDING and payment.gateway_payment_id:
        payment.accept(at=now)
    payment.decline(
        charge_id=str(result.charge_id),
        code=result.error_code,
        message=result.error_message,
        at=now,
    )


def _wait(payment: Payment, result: PaymentResult, source: Source, now: datetime) -> None:
    is_processing = result.state == "processing"
    is_new = payment.status == Status.OPENING and source == "attempt"
    if is_new or (payment.status == Status.FAILED and is_processing):
        payment.accept(at=now)
    if payment.status == Status.OPENING:
        return  # the gateway does not know the attempt yet
    payment.blocks_expiry = is_processing
    if payment.is_manual() and payment.blocks_expiry_until is None:
        payment.await_transfer(until=selectors.transfer_deadline(payment))
