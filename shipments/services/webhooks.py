"""What carriers send by themselves: each message has its effect once."""

import logging
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.utils import timezone

from events.backoff import doubled
from shipments import selectors
from shipments.carriers import Notice
from shipments.models import CarrierWebhook
from shipments.services.locks import lock_shipment, save
from shipments.services.moving import take_scans

logger = logging.getLogger(__name__)

# Before an unknown parcel is looked for again.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=3)
AT_ONCE = 1_000
KEPT = timedelta(days=30)  # against repeats


@transaction.atomic
def take_webhook(*, adapter: str, notice: Notice) -> None:
    """Record what a verified message tells, once however often and in whatever order it comes.

    One about a parcel that nobody knows yet is kept and tried again.
    """
    webhook, is_new = CarrierWebhook.objects.get_or_create(
        adapter=adapter,
        event_id=notice.event_id,
        defaults={
            "tracking_number": notice.tracking_number,
            "notice": msgspec.json.encode(notice).decode(),
        },
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
            CarrierWebhook.objects.filter(pk=webhook_id).update(due_at=now + LONGEST_PAUSE)
    CarrierWebhook.objects.filter(due_at=None, received_at__lt=now - KEPT).delete()
    return len(due)


@transaction.atomic
def _try_again(webhook_id: int, now: datetime) -> None:
    free = CarrierWebhook.objects.select_for_update(skip_locked=True)
    if webhook := free.filter(pk=webhook_id, due_at__lte=now).first():
        _handle(webhook, msgspec.json.decode(webhook.notice, type=Notice), now)


def _handle(webhook: CarrierWebhook, notice: Notice, now: datetime) -> None:
    meant = selectors.known(
        adapter=webhook.adapter,
        tracking_number=notice.tracking_number,
        reference=notice.reference,
        carrier=notice.carrier,
    )
    if meant:
        shipment = lock_shipment(meant.id)
        take_scans(shipment, notice.scans, now=now)
        save(shipment)
        webhook.handled_at, webhook.due_at = now, None
    else:
        webhook.tries += 1
        is_hopeless = now > webhook.received_at + GIVEN_UP_AFTER
        pause = doubled(webhook.tries - 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        webhook.due_at = None if is_hopeless else now + pause
    webhook.save()
