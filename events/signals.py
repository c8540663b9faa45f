"""A new audit entry enqueues the work that an operator requested."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import tasks
from events.delivery import notify
from events.models import AuditEntry


@receiver(post_save, sender=AuditEntry, dispatch_uid="events.enqueue_requested")
def enqueue_requested(instance: AuditEntry, created: bool, raw: bool, **kwargs: Any) -> None:
    """Enqueue `events.tasks.run_requested` for an entry that waits for a worker."""
    if created and instance.begun_at is None and not raw:
        notify.enqueue(tasks.run_requested, instance.id)
