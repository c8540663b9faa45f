"""The nudges' other end, and the sweep that makes up for lost ones."""

from datetime import timedelta

from celery import shared_task
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from config.core.timers import moment
from events import reactions
from events.delivery import notify
from events.delivery import relay as relay_
from events.models import AuditEntry, Reaction
from events.operations import audit, retention

SWEPT_AT_ONCE = 200
NUDGED_AGAIN_AFTER = timedelta(seconds=30)


@shared_task
def relay(shard: int) -> None:
    """Publish the shard's pending messages; if time is up, go on in another task."""
    if relay_.publish_owed(shard):
        notify.enqueue(relay, shard)


@shared_task
def react(stream: str, context: str) -> None:
    """Do what a context owes to the facts of a stream."""
    reactions.settle(stream, context)


@shared_task
def do_wanted(entry_id: str) -> None:
    """Do what an operator wants of the whole log."""
    audit.do_wanted(entry_id)


@shared_task
def remove_old_events(now: str | None = None) -> None:
    """Remove what was kept for long enough."""
    retention.remove_old_events(moment(now))


@shared_task
def sweep() -> None:
    """Nudge what is owed and due: a nudge may have been lost with its process or its broker."""
    for shard in relay_.owing():
        notify.enqueue(relay, shard)
    for entry_id in AuditEntry.objects.filter(begun_at=None).values_list("pk", flat=True):
        notify.enqueue(do_wanted, entry_id)
    held = Reaction.objects.filter(
        Q(not_before__gt=Now()) | Q(parked_at__isnull=False),
        stream=OuterRef("stream"),
        context=OuterRef("context"),
    )
    due = Reaction.objects.filter(
        ~Exists(held),
        Q(nudged_at__isnull=True) | Q(nudged_at__lte=Now() - NUDGED_AGAIN_AFTER),
    )
    # Many may be of one pair, but to look for pairs reads the whole backlog.
    oldest = due.order_by("id").values_list("stream", "context")[:SWEPT_AT_ONCE]
    for stream, context in dict.fromkeys(oldest):
        Reaction.objects.filter(stream=stream, context=context).update(nudged_at=Now())
        notify.enqueue(react, stream, context)
