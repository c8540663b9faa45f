"""Removes events after EVENTS_KEEP_DAYS, a whole stream at a time, and old audit entries."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from events.aggregate import aggregates
from events.models import AuditEntry, EventRecord, Outbox, Publication, Reaction, Stream
from events.operations import audit

MAX_STREAMS = 20_000  # in one run
BATCH_SIZE = 100  # streams in one transaction


def remove_old_events(now: datetime) -> int:
    """Remove the events of streams that have been complete for EVENTS_KEEP_DAYS at `now`.

    Return the number of streams: at most MAX_STREAMS, the next run removes the others.
    """
    days = settings.EVENTS_KEEP_DAYS
    if days is None:
        return 0
    due = _complete_since(now - timedelta(days=days))
    keys = sorted(due.values_list("key", flat=True)[:MAX_STREAMS])
    if not keys:
        return 0
    streams = events = 0
    with audit.recorded("remove_events", {"keep_days": days}) as entry:
        for start in range(0, len(keys), BATCH_SIZE):
            batch = _remove(due, keys[start : start + BATCH_SIZE], now)
            streams, events = streams + batch[0], events + batch[1]
            audit.report(entry, f"{events} events of {streams} streams are removed.")
    return streams


def remove_old_entries(now: datetime) -> None:
    """Delete audit entries after AUDIT_KEEP_DAYS, unless they wait for a worker."""
    if settings.AUDIT_KEEP_DAYS is not None:
        old = now - timedelta(days=settings.AUDIT_KEEP_DAYS)
        AuditEntry.objects.filter(at__lt=old, begun_at__isnull=False).delete()


def _complete_since(moment: datetime) -> QuerySet[Stream]:
    """Return the streams without events since that moment, unfinished rows or pending work."""
    due = Stream.objects.filter(last_on__lt=moment.astimezone(UTC).date())
    for model in aggregates():
        unfinished = model.objects.filter(model.unfinished())
        due = due.filter(~Exists(unfinished.filter(**{model.stream_field: OuterRef("key")})))
    for pending in (Outbox, Reaction):
        due = due.filter(~Exists(pending.objects.filter(stream=OuterRef("key"))))
    return due


@transaction.atomic
def _remove(due: QuerySet[Stream], keys: list[str], now: datetime) -> tuple[int, int]:
    """Remove the events of those streams that no transaction has locked; return both numbers.

    An event that is recorded during the deletion waits for the stream's row and continues its
    sequence.
    """
    free = Stream.objects.select_for_update(no_key=True, skip_locked=True).filter(key__in=keys)
    locked = list(free.order_by("key").values_list("key", flat=True))
    # A second statement: the one that locks does not see what the lock's last holder committed.
    streams = list(due.filter(key__in=locked).values_list("key", flat=True))
    events = EventRecord.objects.filter(stream__in=streams)
    Publication.objects.filter(event__in=events).delete()
    removed, _ = events.delete()
    Stream.objects.filter(key__in=streams).update(
        removed_at=now, removed_through=F("sequence"), last_on=None
    )
    return len(streams), removed
