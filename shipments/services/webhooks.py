"""What carriers send by themselves: each message has its effect once."""

from datetime import datetime

import msgspec
from django.db import transaction
from django.utils import timezone

from config.core import inbox
from shipments import selectors
from shipments.carriers import Notice
from shipments.models import CarrierWebhook
from shipments.services.locks import lock_shipment, save
from shipments.services.moving import take_scans


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
        now = timezone.now()
        webhook.settle(is_handled=_tell(webhook, notice, now), now=now)


def handle_kept_webhooks(*, now: datetime) -> int:
    """Try again what is due at `now`; return how many."""
    return inbox.try_again(CarrierWebhook, _tell_again, now=now)


def _tell_again(webhook: CarrierWebhook, now: datetime) -> bool:
    return _tell(webhook, msgspec.json.decode(webhook.notice, type=Notice), now)


def _tell(webhook: CarrierWebhook, notice: Notice, now: datetime) -> bool:
    """Tell the shipment; return whether it is known which one is meant."""
    meant = selectors.known(
        adapter=webhook.adapter,
        tracking_number=notice.tracking_number,
        reference=notice.reference,
        carrier=notice.carrier,
    )
    if meant is None:
        return False
    shipment = lock_shipment(meant.id)
    take_scans(shipment, notice.scans, now=now)
    save(shipment)
    return True
