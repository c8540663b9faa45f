"""Celery tasks: publish, react, run requested work, and the sweep that replaces lost tasks."""

import time
from datetime import timedelta
from threading import Lock

from celery import Task, shared_task
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from config.core import timers
from config.core.timers import moment
from events import reactions
from events.delivery import notify
from events.delivery.relay import publish_pending
from events.models import AuditEntry, Outbox, Reaction
from events.operations import audit, retention

BATCH_SIZE = 200  # reactions in one sweep
NOTIFY_AGAIN_AFTER = timedelta(seconds=30)
PAUSE = 0.04  # seconds from one relay to the next of this process

_turn = Lock()
_next_relay = 0.0  # in the time of `time.monotonic`


def _due_messages(now: Now) -> QuerySet[Outbox]:
    delayed = Q(parked_at__isnull=False) | Q(not_before__gt=now)
    return Outbox.objects.exclude(stream__in=Outbox.objects.filter(delayed).values("stream"))


def _requested_work(now: Now) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(begun_at=None)


def _due_reactions(now: Now) -> QuerySet[Reaction]:
    is_new = Q(notified_at__isnull=True) | Q(notified_at__lte=now - NOTIFY_AGAIN_AFTER)
    return reactions.due().filter(is_new)


@timers.when_due(_due_messages)
@shared_task
def relay() -> None:
    """Publish the pending messages of all shards; where there are many, by a task of the shard.

    After an idle time this begins immediately. Under load it waits a little for more messages, so
    that they share the task and its statements.
    """
    global _next_relay
    with _turn:
        time.sleep(max(0.0, _next_relay - time.monotonic()))  # for more messages
        _next_relay = time.monotonic() + PAUSE
    for shard in publish_pending():
        notify.enqueue(relay_shard, shard)


@shared_task
def relay_shard(shard: int) -> None:
    """Publish the shard's pending messages; if time is up, go on in another task."""
    if publish_pending(shard):
        notify.enqueue(relay_shard, shard)


@shared_task
def react(stream: str) -> None:
    """Run the pending reactions to the events of a stream."""
    with notify.doing(react, stream):  # it runs what its reactions lead to
        reactions.run_pending(stream)


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
    for work in timers.due():
        if isinstance(work, Task):
            notify.enqueue(work)
        else:
            work()


@timers.when_due(_requested_work)
def _run_requested_again() -> None:
    for entry in _requested_work(Now()):
        notify.enqueue(run_requested, entry.id)


@timers.when_due(_due_reactions)
def _react_again() -> None:
    # Several rows may have the same stream. SELECT DISTINCT would read all rows.
    due = _due_reactions(Now())
    oldest = due.order_by("id").values_list("stream", flat=True)[:BATCH_SIZE]
    streams = list(dict.fromkeys(oldest))
    due.filter(stream__in=streams).update(notified_at=Now())
    for stream in streams:
        notify.enqueue(react, stream)
