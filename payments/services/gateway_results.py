"""Applies the results of gateways to payments, whichever way and however often they arrive."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from payments import selectors
from payments.gateways import PaymentResult, RefundResult
from payments.models import Payment, Refund

Status = Payment.Status
Source = Literal["attempt", "retrieve"]


def needs_call(payment: Payment) -> bool:
    """Return whether the gateway has results that are not known yet."""
    if payment.is_by_hand:  # an operator records the results
        return payment.status == Status.OPENING
    return is_open_at_gateway(payment) or bool(payment.pending_refunds(by_hand=False))


def is_open_at_gateway(payment: Payment) -> bool:
    """Return whether the gateway may still capture money."""
    return not (payment.is_captured or payment.closed_at)


def has_declined(payment: Payment, charge_id: str | None) -> bool:
    """Return whether the decline of this charge is recorded already."""
    return charge_id is not None and charge_id in {each.charge_id for each in payment.attempts}


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
        case "declined" if not has_declined(payment, result.charge_id):
            _decline(payment, result, now)
        case "declined" if source and payment.latest_attempt.token:
            # The same card again, declined before there was a charge.
            _decline(payment, replace(result, charge_id=payment.latest_attempt.id), now)
        case "refused" if source:
            _refuse(payment, result, now)
        case "authorized":
            _authorize(payment, result, source, now)
        case "cancelled":
            if not payment.abandoned_at:
                _stop(payment, "cancelled_at_gateway", now)
            payment.closed_at = now
        case _ if source and not payment.abandoned_at and payment.status != Status.AUTHORIZED:
            _wait(payment, result, source, now)


def apply_refund_result(
    payment: Payment, refund: Refund, result: RefundResult, *, now: datetime
) -> None:
    """Settle a refund as its gateway reports. A refund that was paid out may still fail."""
    error = {"code": result.error_code, "message": result.error_message}
    if refund.is_by_hand:
        return
    if refund.is_pending:
        refund.gateway_refund_id = refund.gateway_refund_id or result.gateway_refund_id
        payment.save_part(refund)
        if result.state == "succeeded":
            settle_refund(payment, refund, at=result.refunded_at or now)
        elif result.state == "failed":
            payment.fail_refund(refund=refund, at=now, **error)
    elif refund.status == Refund.Status.SUCCEEDED and result.state == "failed":
        payment.bounce_refund(refund=refund, **error)


def _succeed(payment: Payment, result: PaymentResult, now: datetime) -> None:
    assert result.amount is not None, "a captured payment has an amount"
    assert result.currency, "and a currency"
    payment.ensure_accepted(at=now)
    card = {"card_brand": result.card_brand, "card_last4": result.card_last4}
    # A charge that was captured later is as old as its authorization.
    at = now if payment.captures_later else result.paid_at or now
    charged = payment.amount if payment.capture_amount is None else payment.capture_amount
    if (result.amount, result.currency) != (charged, payment.currency):
        payment.mismatch(captured=result.amount, currency=result.currency, at=at, **card)
    elif selectors.is_superfluous(payment):
        payment.keep_surplus(amount=result.amount, at=at, **card)
    else:
        due = selectors.amount_due(payment.order)
        payment.succeed(amount=result.amount, due=due, at=at, **card)


def settle_refund(payment: Payment, refund: Refund, *, at: datetime) -> None:
    """Record that a refund was paid out, by the gateway or by an operator."""
    is_last = payment.refunded + refund.amount == payment.captured
    if refund.is_by_hand:
        settle = payment.record_last_refund if is_last else payment.record_part_refund
    else:
        settle = payment.complete_last_refund if is_last else payment.complete_part_refund
    settle(refund=refund, at=at)


def abandon_all(payments: Iterable[Payment], *, reason: str, at: datetime) -> None:
    """Stop waiting for those of the payments that are not captured."""
    for payment in payments:
        if not payment.is_captured and payment.is_awaited():
            _stop(payment, reason, at)
            payment.save()


def _stop(payment: Payment, reason: str, at: datetime) -> None:
    is_authorized = payment.status == Status.AUTHORIZED
    (payment.lose_authorization if is_authorized else payment.abandon)(reason=reason, at=at)


def _refuse(payment: Payment, result: PaymentResult, now: datetime) -> None:
    error = {"code": result.error_code, "message": result.error_message}
    if payment.status in Payment.OPEN:
        payment.refuse(**error, at=now)
    elif payment.status == Status.AUTHORIZED:
        payment.refuse_capture(**error)


def _authorize(
    payment: Payment, result: PaymentResult, source: Source | None, now: datetime
) -> None:
    if payment.status == Status.AUTHORIZED or payment.abandoned_at:
        return  # an abandoned payment is being voided
    payment.ensure_accepted(at=now)
    if (result.amount, result.currency) == (payment.amount, payment.currency):
        order = payment.order
        others = selectors.received(order) + selectors.authorized(order)
        payment.authorize(
            covers_order=others + payment.amount >= order.total,
            at=now,
            card_brand=result.card_brand,
            card_last4=result.card_last4,
        )
    else:
        payment.abandon(reason="authorized_another_amount", at=now)


def _decline(payment: Payment, result: PaymentResult, now: datetime) -> None:
    if payment.abandoned_at:
        return
    # An attempt that was declined before the gateway created a payment was never pending.
    if payment.status in (Status.OPENING, Status.FAILED) and payment.gateway_payment_id:
        payment.accept(at=now)
    # Several payments may be open at once.
    payment.earlier_declines = selectors.declines(payment.order) - payment.declines
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
