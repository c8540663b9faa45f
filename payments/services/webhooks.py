"""What gateways send by themselves: each message has its effect once."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.utils import timezone

from events.backoff import doubled
from payments import selectors
from payments.gateways import Charge, Notice
from payments.models import Payment, Webhook
from payments.services.answers import take_charge, take_payout
from payments.services.locks import lock_payment, save

logger = logging.getLogger(__name__)

# Before an unknown payment is looked for again.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=3)
AT_ONCE = 1_000
KEPT = timedelta(days=30)  # against repeats


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
        _handle(webhook, notice, timezone.now())


def handle_kept_webhooks(*, now: datetime) -> int:
    """Try again what is due at `now`, and forget what was handled long ago; return how many."""
    due = list(selectors.kept_webhooks(now=now).values_list("pk", flat=True)[:AT_ONCE])
    for webhook_id in due:
        try:
            _try_again(webhook_id, now)
        except Exception:
            logger.exception("The webhook %s failed", webhook_id)
            Webhook.objects.filter(pk=webhook_id).update(due_at=now + LONGEST_PAUSE)
    Webhook.objects.filter(due_at=None, received_at__lt=now - KEPT).delete()
    return len(due)


@transaction.atomic
def _try_again(webhook_id: int, now: datetime) -> None:
    free = Webhook.objects.select_for_update(skip_locked=True)
    if webhook := free.filter(pk=webhook_id, due_at__lte=now).first():
        _handle(webhook, msgspec.json.decode(webhook.notice, type=Notice), now)


def _handle(webhook: Webhook, notice: Notice, now: datetime) -> None:
    payment = Payment.objects.filter(pk=notice.payment_id, method=webhook.gateway).first()
    # Of the platform's own account, messages name none.
    if payment and notice.account in (None, payment.account) and _tell(notice, now):
        webhook.handled_at, webhook.due_at = now, None
    else:
        webhook.tries += 1
        is_hopeless = now > webhook.received_at + GIVEN_UP_AFTER
        pause = doubled(webhook.tries - 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        webhook.due_at = None if is_hopeless else now + pause
    webhook.save()


def _tell(notice: Notice, now: datetime) -> bool:
    """Tell the payment; return whether what it is about is known."""
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
