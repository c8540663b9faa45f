"""What gateways send by themselves: each message has its effect once."""

from dataclasses import replace
from datetime import datetime

import msgspec
from django.db import transaction
from django.utils import timezone

from config.core import inbox
from payments.gateways import Charge, Notice
from payments.models import Payment, Webhook
from payments.services.answers import take_charge, take_payout
from payments.services.locks import lock_payment, save


@transaction.atomic
def take_webhook(*, gateway: str, notice: Notice) -> None:
    """Do what a verified message asks for, once however often and in whatever order it comes.

    One about a payment that nobody knows yet is kept and tried again.
    """
    if notice.charge:
        notice = replace(notice, charge=replace(notice.charge, client_secret=None))
    webhook, is_new = Webhook.objects.get_or_create(
        gateway=gateway,
        event_id=notice.event_id,
        defaults={"kind": notice.kind, "notice": msgspec.json.encode(notice).decode()},
    )
    if is_new:
        now = timezone.now()
        webhook.settle(is_handled=_tell(webhook, notice, now), now=now)


def handle_kept_webhooks(*, now: datetime) -> int:
    """Try again what is due at `now`; return how many."""
    return inbox.try_again(Webhook, _tell_again, now=now)


def _tell_again(webhook: Webhook, now: datetime) -> bool:
    return _tell(webhook, msgspec.json.decode(webhook.notice, type=Notice), now)


def _tell(webhook: Webhook, notice: Notice, now: datetime) -> bool:
    """Tell the payment; return whether what it is about is known."""
    found = Payment.objects.filter(pk=notice.payment_id, method=webhook.gateway).first()
    # Of the platform's own account, messages name none.
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
            _tell_of_charge(payment, charge, now)
    if not payment.has_questions():
        payment.due_at = None
    save(payment)
    return True


def _tell_of_charge(payment: Payment, charge: Charge, now: datetime) -> None:
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
