"""What gateways answer, and what it makes of a payment: whoever heard it, and how often."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from payments import selectors
from payments.gateways import Charge, Payout
from payments.models import Payment, Refund

Status = Payment.Status


def is_wanted(order: Any) -> bool:
    """Whether money for the order still counts: it waits, and not everything has come."""
    is_waiting: bool = order.status == order.Status.PLACED
    return is_waiting and selectors.received(order.id) < order.total


def take_charge(
    payment: Payment, charge: Charge, *, now: datetime, is_answer: bool = False
) -> None:
    """Move a payment to where its gateway says it is, and never backwards.

    `is_answer` says that it is what the latest attempt was answered when it was made: anything
    else that is not the end of an attempt may be about the one before.
    """
    if payment.is_captured:
        return
    payment.gateway_payment_id = payment.gateway_payment_id or charge.gateway_payment_id
    payment.client_secret = payment.client_secret or charge.client_secret
    is_known = charge.charge_id in {attempt.charge_id for attempt in payment.tries}
    match charge.state:
        case "succeeded":
            _succeed(payment, charge, now)
        case "declined" if is_known and is_answer and payment.attempt.token:
            # The same card, refused again before there was a charge.
            _decline(payment, replace(charge, charge_id=payment.attempt.id), now)
        case "declined" if not is_known:
            _decline(payment, charge, now)
        case "cancelled":
            if payment.is_not_abandoned():
                payment.abandon(reason="cancelled_at_gateway", at=now)
            payment.closed_at = now
        case _ if is_answer and payment.status == Status.OPENING:
            payment.accept(at=now)
            _wait(payment, charge, now)
        case _ if payment.status == Status.PENDING and not is_known:
            _wait(payment, charge, now)


def take_payout(payment: Payment, refund: Refund, payout: Payout, *, now: datetime) -> None:
    """Settle a refund as its gateway says; what has been paid out may come back."""
    error = {"code": payout.error_code, "message": payout.error_message}
    if payment.goes_by_hand(refund):
        return
    if refund.status == Refund.Status.PENDING:
        refund.gateway_refund_id = refund.gateway_refund_id or payout.gateway_refund_id
        payment.part(refund)
        if payout.state == "succeeded":
            payment.complete_refund(
                refund=refund,
                gateway_refund_id=payout.gateway_refund_id,
                at=payout.refunded_at or now,
            )
        elif payout.state == "failed":
            payment.fail_refund(refund=refund, at=now, **error)
    elif refund.status == Refund.Status.SUCCEEDED and payout.state == "failed":
        payment.bounce_refund(refund=refund, **error)


def _succeed(payment: Payment, charge: Charge, now: datetime) -> None:
    assert charge.amount is not None, "what has come has an amount"
    assert charge.currency, "and a currency"
    attempt = payment.attempt
    if payment.status != Status.PENDING and (attempt.declined_at or not attempt.accepted_at):
        payment.accept(at=now)
    card = {"card_brand": charge.card_brand, "card_last4": charge.card_last4}
    at = charge.paid_at or now
    if (charge.amount, charge.currency) == (payment.amount, payment.currency):
        payment.succeed(is_wanted=is_wanted(payment.order), at=at, **card)
    else:
        payment.mismatch(captured=charge.amount, currency=charge.currency, at=at, **card)


def _decline(payment: Payment, charge: Charge, now: datetime) -> None:
    if payment.abandoned_at:
        return
    # What was refused before the gateway made anything of it was never pending.
    if payment.status != Status.PENDING and payment.gateway_payment_id:
        payment.accept(at=now)
    payment.decline(
        charge_id=str(charge.charge_id),
        code=charge.error_code,
        message=charge.error_message,
        at=now,
    )


def _wait(payment: Payment, charge: Charge, now: datetime) -> None:
    payment.keeps_order = charge.state == "processing"
    if payment.is_manual() and payment.keeps_order_until is None:
        days = selectors.manual_payment_days(payment.organization_id)
        payment.wait_for_transfer(days=days, at=now)
