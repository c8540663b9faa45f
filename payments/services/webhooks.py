"""Webhooks of payment gateways. Each has its effect once."""

from dataclasses import replace
from datetime import datetime

from config.core import inbox
from payments.gateways import Charge, Notice
from payments.models import GatewayWebhook, Payment
from payments.services.answers import take_charge, take_payout
from payments.services.locks import lock_payment, save


def receive_webhook(*, gateway: str, notice: Notice) -> None:
    """Store a verified webhook and apply it, unless it was received before.

    A webhook of an unknown payment is applied later.
    """
    if notice.charge:
        notice = replace(notice, charge=replace(notice.charge, client_secret=None))
    inbox.receive(GatewayWebhook, _apply, source=gateway, event=notice)


def process_pending_webhooks(*, now: datetime) -> int:
    """Apply the webhooks that are due at `now`; return how many were due."""
    return inbox.process_pending(GatewayWebhook, _apply, Notice, now=now)


def _apply(gateway: str, notice: Notice, now: datetime) -> bool:
    """Apply a webhook to its payment; return False if the payment or the refund is unknown."""
    found = Payment.objects.filter(pk=notice.payment_id, method=gateway).first()
    # Webhooks of the platform's own account name no account.
    if found is None or notice.account not in (None, found.account):
        return False
    payment = lock_payment(notice.payment_id)
    if notice.payout:
        if not (refund := payment.giveback(notice.refund_id)):
            return False
        take_payout(payment, refund, notice.payout, now=now)
    elif charge := notice.charge:
        if charge.gateway_payment_id != (payment.gateway_payment_id or charge.gateway_payment_id):
            return False  # another payment at the gateway, that only says it is ours
        if not payment.is_captured:
            _apply_charge(payment, charge, now)
    if payment.due_at and not payment.has_questions():
        payment.finish_call()
    save(payment)
    return True


def _apply_charge(payment: Payment, charge: Charge, now: datetime) -> None:
    match charge.state:
        case "succeeded" if charge.card_last4 is None:
            # The gateway tells the card only when it is asked.
            payment.gateway_payment_id, payment.closed_at = charge.gateway_payment_id, None
            payment.expect_money(now)
        case "processing":
            if not (payment.abandoned_at or payment.knows(charge.charge_id)):
                payment.expect_money(now)
        case "succeeded" | "declined" | "cancelled":
            take_charge(payment, charge, now=now)
