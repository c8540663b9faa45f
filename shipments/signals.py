"""Saving a shipment publishes its events and enqueues the calls to its carrier."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone

from events import outbox
from events.delivery import notify
from shipments import tasks
from shipments.models import CarrierWebhook, Shipment


@receiver(post_save, sender=Shipment, dispatch_uid="shipments.write_to_outbox")
def write_to_outbox(instance: Shipment, raw: bool, **kwargs: Any) -> None:
    """Append the shipment's new events to the outbox; `events.tasks.relay` publishes them."""
    if not raw:
        outbox.write(instance)


@receiver(post_save, sender=Shipment, dispatch_uid="shipments.call_carrier")
def call_carrier(instance: Shipment, raw: bool, **kwargs: Any) -> None:
    """Enqueue the calls that are due: about a new label that is not leased, and for tracking."""
    if raw:
        return
    labels = [each for each in Shipment.labels.loaded(instance) if each.due_at and not each.calls]

    def enqueue() -> None:
        if any(label.due_at and not label.calls for label in labels):  # still, at the commit
            notify.enqueue(tasks.call_carrier, instance.id, instance.organization_id)

    if labels:
        transaction.on_commit(enqueue, robust=True)
    if instance.due_at and instance.due_at <= timezone.now():
        notify.enqueue(tasks.track_shipment, instance.id, instance.organization_id)


@receiver(post_save, sender=CarrierWebhook, dispatch_uid="shipments.apply_stored_webhook")
def apply_stored_webhook(instance: CarrierWebhook, created: bool, raw: bool, **kwargs: Any) -> None:
    """Enqueue `shipments.tasks.process_pending_webhooks` for scans of a shared number."""
    if created and instance.due_at and not raw:
        notify.enqueue(tasks.process_pending_webhooks)
