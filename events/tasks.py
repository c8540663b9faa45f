"""Celery tasks: publish, react, run requested work, and the sweep that replaces lost tasks."""

from datetime import timedelta

from celery import shared_task
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from config.core.timers import moment
from events import reactions
from events.delivery import notify
from events.delivery.relay import publish_pending, shards_with_pending_messages
from events.models import AuditEntry, Reaction
from events.operations import audit, retention

BATCH_SIZE = 200  # reactions in one sweep
NOTIFY_AGAIN_AFTER = timedelta(seconds=30)


@shared_task
def relay(shard: int) -> None:
    """Publish the shard's pending messages; if time is up, go on in another task."""
    if publish_pending(shard):
        notify.enqueue(relay, shard)


@shared_task
def react(stream: str, context: str) -> None:
    """Run the pending reactions of a context to the events of a stream."""
    reactions.run_pending(stream, context)


@shared_task
def run_requested(entry_id: str) -> None:
    """Run the work that an operator requested: a reconciliation or a replay."""
    audit.run_requested(entry_id)


@shared_task
def remove_old_events(now: str | None = None) -> None:
    """Remove events after EVENTS_KEEP_DAYS, and audit entries after AUDIT_KEEP_DAYS."""
    retention.remove_old_events(moment(now))
    retention.remove_old_entries(moment(now))


@shared_task
def sweep() -> None:
    """Enqueue the tasks of all work that is due: tasks may get lost with a process or a broker."""
    for shard in shards_with_pending_messages():
        notify.enqueue(relay, shard)
    for entry_id in AuditEntry.objects.filter(begun_at=None).values_list("pk", flat=True):
        notify.enqueue(run_requested, entry_id)
    delayed = Reaction.objects.filter(
        Q(not_before__gt=Now()) | Q(parked_at__isnull=False),
        stream=OuterRef("stream"),
        context=OuterRef("context"),
    )
    due = Reaction.objects.filter(
        ~Exists(delayed),
        Q(notified_at__isnull=True) | Q(notified_at__lte=Now() - NOTIFY_AGAIN_AFTER),
    )
    # Several rows may have the same stream and context. SELECT DISTINCT would read all rows.
    oldest = due.order_by("id").values_list("stream", "context")[:BATCH_SIZE]
    for stream, context in dict.fromkeys(oldest):
        Reaction.objects.filter(stream=stream, context=context).update(notified_at=Now())
        notify.enqueue(react, stream, context)
