"""What gateways answer, and what it makes of a payment: whoever heard it, and how often."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from payments import selectors
from payments.gateways import Charge, Payout
from payments.models import Payment, Refund

Status = Payment.Status
Asked = Literal["attempt", "look"]


def is_wanted(order: Any) -> bool:
    """Whether money for the order still counts: it waits, and not everything has come."""
    is_waiting: bool = order.status == order.Status.PLACED
    return is_waiting and selectors.received(order.id) < order.total


def take_charge(
    payment: Payment, charge: Charge, *, now: datetime, asked: Asked | None = None
) -> None:
    """Move a payment to where its gateway says it is, and never backwards.

    `asked` says that it is what the gateway answers about the latest attempt: when that was made,
    or when it was looked at later. All else is hearsay, and may be about the attempt before.
    """
    if payment.is_captured:
        return
    payment.gateway_payment_id = payment.gateway_payment_id or charge.gateway_payment_id
    payment.client_secret = payment.client_secret or charge.client_secret
    match charge.state:
        case "succeeded":
            _succeed(payment, charge, now)
        case "declined" if not payment.knows(charge.charge_id):
            _decline(payment, charge, now)
        case "declined" if asked and payment.attempt.token:
            # The same card, refused again before there was a charge.
            _decline(payment, replace(charge, charge_id=payment.attempt.id), now)
        case "cancelled":
            if not payment.abandoned_at:
                payment.abandon(reason="cancelled_at_gateway", at=now)
            payment.closed_at = now
        case _ if asked and not payment.abandoned_at:
            _wait(payment, charge, asked, now)


def take_payout(payment: Payment, refund: Refund, payout: Payout, *, now: datetime) -> None:
    """Settle a refund as its gateway says; what has been paid out may come back."""
    error = {"code": payout.error_code, "message": payout.error_message}
    if payment.goes_by_hand(refund):
        return
    if refund.status == Refund.Status.PENDING:
        refund.gateway_refund_id = refund.gateway_refund_id or payout.gateway_refund_id
        payment.save_part(refund)
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


def _wait(payment: Payment, charge: Charge, asked: Asked, now: datetime) -> None:
    is_on_its_way = charge.state == "processing"
    is_made = payment.status == Status.OPENING and asked == "attempt"
    if is_made or (payment.status == Status.FAILED and is_on_its_way):
        payment.accept(at=now)
    if payment.status == Status.OPENING:
        return  # of this attempt nobody has heard yet
    payment.keeps_order = is_on_its_way
    if payment.is_manual() and payment.keeps_order_until is None:
        days = selectors.manual_payment_days(payment.organization_id)
        since = selectors.first_asked_by_hand(payment.order_id)
        payment.wait_for_transfer(days=days, at=since)
