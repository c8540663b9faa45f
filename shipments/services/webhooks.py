"""Receive and apply the carriers' webhooks."""

from datetime import datetime

from config.core import inbox
from shipments import selectors
from shipments.carriers import TrackingUpdate
from shipments.models import CarrierWebhook
from shipments.services.lifecycle import apply_scans


def receive_webhook(*, adapter: str, update: TrackingUpdate) -> None:
    """Store a verified webhook and apply it, unless it was received before.

    A webhook of an unknown shipment is stored, and tried again for three days.
    """
    inbox.receive(CarrierWebhook, _apply, source=adapter, event=update)


def process_pending_webhooks(*, now: datetime) -> int:
    """Apply the webhooks that are due at `now`; return how many were due."""
    return inbox.process_pending(CarrierWebhook, _apply, TrackingUpdate, now=now)


def _apply(adapter: str, update: TrackingUpdate, now: datetime) -> bool:
    """Apply the scans to the shipment that matches; return False if there is none."""
    found = selectors.find_tracked(
        adapter=adapter,
        tracking_number=update.tracking_number,
        reference=update.reference,
        carrier=update.carrier,
    )
    if found is None:
        return False
    shipment = selectors.get_for_update(found.id)
    apply_scans(shipment, update.scans, now=now)
    shipment.save()
    return True
