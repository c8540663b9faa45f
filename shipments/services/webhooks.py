"""Webhooks of carriers. Each has its effect once."""

from datetime import datetime

from config.core import inbox
from shipments import selectors
from shipments.carriers import Notice
from shipments.models import CarrierWebhook
from shipments.services.locks import lock_shipment, save
from shipments.services.moving import take_scans


def receive_webhook(*, adapter: str, notice: Notice) -> None:
    """Store a verified webhook and apply it, unless it was received before.

    A webhook of an unknown shipment is applied later.
    """
    inbox.receive(CarrierWebhook, _apply, source=adapter, event=notice)


def process_pending_webhooks(*, now: datetime) -> int:
    """Apply the webhooks that are due at `now`; return how many were due."""
    return inbox.process_pending(CarrierWebhook, _apply, Notice, now=now)


def _apply(adapter: str, notice: Notice, now: datetime) -> bool:
    """Apply a webhook to its shipment; return False if the shipment is unknown."""
    meant = selectors.known(
        adapter=adapter,
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
