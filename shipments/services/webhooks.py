"""Receive and apply the carriers' webhooks."""

from dataclasses import replace
from datetime import datetime

from config.core import inbox
from shipments import selectors
from shipments.carriers import TrackingUpdate
from shipments.models import CarrierWebhook
from shipments.services import sharing
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
    number = update.tracking_number
    scans = [replace(scan, tracking_number=number) for scan in update.scans]
    if update.shared_by:
        for shipment_id in selectors.sharing(update.shared_by, number):
            shipment = selectors.get_for_update(shipment_id)
            apply_scans(shipment, scans, now=now)
            shipment.save()
        return True
    found = selectors.find_tracked(
        adapter=adapter,
        tracking_number=number,
        reference=update.reference,
        carrier=update.carrier,
        at=max((scan.occurred_at for scan in scans), default=None),
    )
    if found is None:
        return False
    shipment = selectors.get_for_update(found.id)
    sharing.forward(shipment, apply_scans(shipment, scans, now=now))
    shipment.save()
    return True
