"""Proves that the log is complete: it has no gap, and explains the status of every aggregate."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

import msgspec
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from events import schema
from events.aggregate import Aggregate, Transition, aggregates
from events.models import EventRecord, Stream
from events.operations import statistics
from events.operations.parked import EventDiscarded

BATCH_SIZE = 500  # streams read at once
OVERDUE_AFTER = timedelta(minutes=1)
MAX_PROBLEMS = 100  # in a report


@dataclass
class Report:
    """What was checked and what is wrong. All problems are counted; the first 100 are kept."""

    seen: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    wrong: int = 0

    def add(self, problem: str) -> None:
        """Count a problem."""
        self.wrong += 1
        if self.wrong <= MAX_PROBLEMS:
            self.problems.append(problem)

    @property
    def lines(self) -> list[str]:
        """The problems, one a line."""
        more = [f"and {self.wrong - MAX_PROBLEMS} more"] if self.wrong > MAX_PROBLEMS else []
        return [*self.problems, *more]

    @property
    def summary(self) -> str:
        """What was checked, and whether anything is wrong."""
        seen = self.seen
        return (
            f"{seen['streams']} streams with {seen['events']} events ({seen['published']} "
            f"published, {seen['pending']} pending, {seen['discarded']} discarded, "
            f"{seen['internal']} internal) and {seen['aggregates']} aggregates: "
            f"{f'problems: {self.wrong}' if self.wrong else 'nothing is missing'}. Parked: "
            f"{seen['parked messages']} messages, {seen['parked reactions']} reactions."
        )

    @property
    def text(self) -> str:
        """The summary, and the problems below it."""
        return "\n".join([self.summary, *self.lines])


class Checked(NamedTuple):
    """The columns of an event that are checked."""

    stream: str
    sequence: int | None
    subject: str
    name: str
    id: str
    outbox: int | None
    publication: int | None


def reconcile() -> Report:
    """Compare the log with the pending messages, the publications, and every aggregate.

    All rows are read in one snapshot, which contains a running transaction completely or not at
    all. Must not run inside a transaction.
    """
    report = Report()
    with transaction.atomic(durable=True):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                    " SET LOCAL statement_timeout = 0"  # some statements read the whole log
                )
        for problem in _problems(report.seen):
            report.add(problem)
    return report


def unexplained(
    model: type[Aggregate], status: str, names: Sequence[str], *, is_removed: bool = False
) -> str | None:
    """Return why the transitions of these events do not lead to the status, or None.

    If earlier events were removed, the aggregate was in a terminal status.
    """
    options: Any = model._meta
    if names[:1] == [model.created_event.name]:
        states, names = {options.get_field("status").default}, names[1:]
    elif is_removed:
        states = set(model.terminal_statuses)
    else:
        return f"does not begin with {model.created_event.name}"
    for name in names:
        if moves := _moves(model).get(name):
            states = {
                move.target or state for state in states for move in moves if state in move.source
            }
        if not states:
            return f"has {name}, which could not happen"
    return None if status in states else f"is {status}, which its events do not lead to"


@cache
def _moves(model: type[Aggregate]) -> dict[str, list[Transition]]:
    """Return the transitions by the names of their events."""
    moves = defaultdict[str, list[Transition]](list)
    for move in model.transitions():
        moves[move.emits.name].append(move)
    return dict(moves)


def _problems(seen: Counter[str]) -> Iterator[str]:
    last = ""
    while batch := list(Stream.objects.filter(key__gt=last).order_by("key")[:BATCH_SIZE]):
        yield from _in_streams({stream.key: stream for stream in batch}, seen)
        last = batch[-1].key
    streams = Stream.objects.filter(key=OuterRef("stream"))
    orphans = EventRecord.objects.filter(~Exists(streams)).values_list("stream", flat=True)
    for key in orphans.distinct().iterator():
        yield f"{key}: has events but no stream"
    for model in aggregates():
        streams = Stream.objects.filter(key=OuterRef(model.stream_field))
        for row in model.objects.filter(~Exists(streams)).values_list("pk", flat=True).iterator():
            seen["aggregates"] += 1
            yield f"{row}: has no events"
    yield from _overdue(statistics.unblocked_messages(), "messages", seen)
    yield from _overdue(statistics.unblocked_reactions(), "reactions", seen)


def _in_streams(streams: dict[str, Stream], seen: Counter[str]) -> Iterator[str]:
    """Yield the problems of these streams and their aggregates."""
    rows = EventRecord.objects.filter(stream__in=streams).order_by("number")
    by_stream = defaultdict[str, list[Checked]](list)
    by_subject = defaultdict[str, list[str]](list)
    for event in map(Checked._make, rows.values_list(*Checked._fields)):
        by_stream[event.stream].append(event)
        by_subject[event.subject].append(event.name)
    discarded = _discarded(by_stream)
    seen["streams"] += len(streams)
    for key, stream in streams.items():
        events = by_stream[key]
        seen["events"] += len(events)
        numbers = [event.sequence for event in events if event.sequence is not None]
        if numbers != list(range(stream.removed_through + 1, stream.sequence + 1)):
            yield f"{key}: {_gap(numbers, stream)}"
        for event in events:
            state, problem = _state(event, discarded)
            seen[state] += 1
            if problem:
                yield f"{key}: {event.name} {event.id} {problem}"
    for model in aggregates():
        column = model.stream_field
        found = model.objects.filter(**{f"{column}__in": streams})
        for row, status, key in found.values_list("pk", "status", column):
            seen["aggregates"] += 1
            is_removed = streams[key].removed_at is not None
            if why := unexplained(model, status, by_subject[row], is_removed=is_removed):
                yield f"{row}: {why}"


def _discarded(by_stream: dict[str, list[Checked]]) -> set[str]:
    """Return the ids of the events whose messages an operator discarded."""
    name = EventDiscarded.name
    decisions = [e.id for events in by_stream.values() for e in events if e.name == name]
    if not decisions:
        return set()
    ids = set()
    for body in EventRecord.objects.filter(id__in=decisions).values_list("body", flat=True):
        with suppress(msgspec.MsgspecError):  # of a damaged body
            decision = schema.parse(name, body)
            assert isinstance(decision, EventDiscarded)
            if decision.reaction is None:
                ids.add(decision.event_id)
    return ids


def _state(event: Checked, discarded: set[str]) -> tuple[str, str | None]:
    """Return the state of an event, and what is wrong with it."""
    is_pending, is_published = event.outbox is not None, event.publication is not None
    match event.sequence is not None, is_pending, is_published:
        case _, True, True:
            return "published", "is both published and pending"
        case True, True, False:
            return "pending", None
        case True, False, True:
            return "published", None
        case True, False, False if event.id not in discarded:
            return "missing", "is neither published, nor pending, nor discarded"
        case True, False, False:
            return "discarded", None
        case False, False, False:
            return "internal", None
    return "internal", "is internal, but published or pending"


def _gap(numbers: Sequence[int], stream: Stream) -> str:
    expected, found = range(stream.removed_through + 1, stream.sequence + 1), set(numbers)
    if missing := [str(number) for number in expected if number not in found]:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        return f"the numbers {', '.join(missing[:5])}{more} are missing"
    if extra := sorted(found - set(expected)):
        where = "after the last" if extra[-1] > stream.sequence else "before the first"
        return f"has the number {extra[-1]}, {where} of the stream"
    return "its numbers do not ascend"


def _overdue(rows: QuerySet[Any], kind: str, seen: Counter[str]) -> Iterator[str]:
    """Yield the unblocked rows that have been pending for longer than OVERDUE_AFTER."""
    _, seen[f"parked {kind}"] = statistics.count(rows.model)
    overdue = rows.filter(event__recorded_at__lt=Now() - OVERDUE_AFTER).select_related("event")
    for row in overdue.order_by("pk").defer("event__body").iterator():
        since = f"{row.event.recorded_at:%Y-%m-%d %H:%M:%S} UTC"
        yield f"{row.stream}: {row} has been pending since {since}"
