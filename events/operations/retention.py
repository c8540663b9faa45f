"""The log is kept for as long as it was asked for, and then removed, a whole stream at a time."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from events.aggregate import aggregates
from events.models import EventRecord, Outbox, Publication, Reaction, Stream
from events.operations import audit

AT_ONCE = 20_000  # streams in one run; the next run goes on
BATCH = 100  # streams in one transaction


def remove_old_events(now: datetime) -> int:
    """Remove the events of streams that have been final for EVENTS_KEEP_DAYS at `now`.

    Returns of how many streams: at most so many in one run, and the next one goes on.
    """
    days = settings.EVENTS_KEEP_DAYS
    if days is None:
        return 0
    due = _final_since(now - timedelta(days=days))
    keys = sorted(due.values_list("key", flat=True)[:AT_ONCE])
    if not keys:
        return 0
    streams = events = 0
    with audit.recorded("remove_events", {"keep_days": days}) as entry:
        for start in range(0, len(keys), BATCH):
            batch = _remove(due, keys[start : start + BATCH], now)
            streams, events = streams + batch[0], events + batch[1]
            audit.note(entry, f"{events} events of {streams} streams are removed.")
    return streams


def _final_since(moment: datetime) -> QuerySet[Stream]:
    """Return the streams in which nothing has happened since, and nothing waits to happen."""
    due = Stream.objects.filter(last_on__lt=moment.astimezone(UTC).date())
    for model in aggregates():
        unfinished = model.objects.filter(model.unfinished())
        due = due.filter(~Exists(unfinished.filter(**{model.stream_field: OuterRef("key")})))
    for owed in (Outbox, Reaction):
        due = due.filter(~Exists(owed.objects.filter(stream=OuterRef("key"))))
    return due


@transaction.atomic
def _remove(due: QuerySet[Stream], keys: list[str], now: datetime) -> tuple[int, int]:
    """Remove those of the streams that nobody is at work on; return how many, and their events.

    Whatever happens to one of them waits for its row, and goes on from the tombstone.
    """
    free = Stream.objects.select_for_update(no_key=True, skip_locked=True).filter(key__in=keys)
    locked = list(free.order_by("key").values_list("key", flat=True))
    # A statement of its own: the one that locks does not see what its predecessor did elsewhere.
    streams = list(due.filter(key__in=locked).values_list("key", flat=True))
    events = EventRecord.objects.filter(stream__in=streams)
    Publication.objects.filter(event__in=events).delete()
    removed, _ = events.delete()
    Stream.objects.filter(key__in=streams).update(
        removed_at=now, removed_through=F("sequence"), last_on=None
    )
    return len(streams), removed
