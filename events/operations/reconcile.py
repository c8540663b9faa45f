"""Proves that the log is complete: that it has no gap, and tells of everything that there is."""

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

BATCH = 500  # streams read at once
LATE = timedelta(minutes=1)
SHOWN = 100  # problems


@dataclass
class Report:
    """How much was looked at, and what is wrong: all are counted, the first hundred are told."""

    seen: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    wrong: int = 0

    def add(self, problem: str) -> None:
        """Count what is wrong."""
        self.wrong += 1
        if self.wrong <= SHOWN:
            self.problems.append(problem)

    @property
    def lines(self) -> list[str]:
        """What is wrong, a line each."""
        more = [f"and {self.wrong - SHOWN} more"] if self.wrong > SHOWN else []
        return [*self.problems, *more]

    @property
    def summary(self) -> str:
        """How much was looked at, and whether all is well."""
        seen = self.seen
        return (
            f"{seen['streams']} streams with {seen['events']} events ({seen['published']} "
            f"published, {seen['owed']} owed, {seen['discarded']} discarded, {seen['internal']} "
            f"internal) and {seen['aggregates']} aggregates: "
            f"{f'problems: {self.wrong}' if self.wrong else 'nothing is missing'}. Parked: "
            f"{seen['parked messages']} messages, {seen['parked reactions']} reactions."
        )

    @property
    def text(self) -> str:
        """Everything, the summary first."""
        return "\n".join([self.summary, *self.lines])


class Fact(NamedTuple):
    """What of an event is looked at."""

    stream: str
    sequence: int | None
    subject: str
    name: str
    id: str
    outbox: int | None
    publication: int | None


def reconcile() -> Report:
    """Compare the log with itself, with what is owed, and with every aggregate.

    All of it is read in one snapshot: what is under way is seen as a whole, or not at all. It must
    not be inside a transaction.
    """
    report = Report()
    with transaction.atomic(durable=True):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for problem in _problems(report.seen):
            report.add(problem)
    return report


def unexplained(
    model: type[Aggregate], status: str, names: Sequence[str], *, is_removed: bool = False
) -> str | None:
    """Return why an aggregate's facts do not lead to its status by its transitions, or None.

    Where earlier facts were removed, it was in some final status.
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
    """Return the transition table by the names of the events."""
    moves = defaultdict[str, list[Transition]](list)
    for move in model.transitions():
        moves[move.emits.name].append(move)
    return dict(moves)


def _problems(seen: Counter[str]) -> Iterator[str]:
    last = ""
    while batch := list(Stream.objects.filter(key__gt=last).order_by("key")[:BATCH]):
        yield from _in_streams({stream.key: stream for stream in batch}, seen)
        last = batch[-1].key
    streams = Stream.objects.filter(key=OuterRef("stream"))
    orphans = EventRecord.objects.filter(~Exists(streams)).values_list("stream", flat=True)
    for key in orphans.distinct().iterator():
        yield f"{key}: has events, and is no stream"
    for model in aggregates():
        streams = Stream.objects.filter(key=OuterRef(model.stream_field))
        for row in model.objects.filter(~Exists(streams)).values_list("pk", flat=True).iterator():
            seen["aggregates"] += 1
            yield f"{row}: has no events"
    yield from _late(statistics.messages(), "messages", seen)
    yield from _late(statistics.reactions(), "reactions", seen)


def _in_streams(streams: dict[str, Stream], seen: Counter[str]) -> Iterator[str]:
    """What is wrong with these streams and their aggregates."""
    rows = EventRecord.objects.filter(stream__in=streams).order_by("number")
    by_stream, by_subject = defaultdict[str, list[Fact]](list), defaultdict[str, list[str]](list)
    for fact in map(Fact._make, rows.values_list(*Fact._fields)):
        by_stream[fact.stream].append(fact)
        by_subject[fact.subject].append(fact.name)
    given_up = _given_up(by_stream)
    seen["streams"] += len(streams)
    for key, stream in streams.items():
        facts = by_stream[key]
        seen["events"] += len(facts)
        numbers = [fact.sequence for fact in facts if fact.sequence is not None]
        if numbers != list(range(stream.removed_through + 1, stream.sequence + 1)):
            yield f"{key}: {_gap(numbers, stream)}"
        for fact in facts:
            state, problem = _state(fact, given_up)
            seen[state] += 1
            if problem:
                yield f"{key}: {fact.name} {fact.id} {problem}"
    for model in aggregates():
        column = model.stream_field
        found = model.objects.filter(**{f"{column}__in": streams})
        for row, status, key in found.values_list("pk", "status", column):
            seen["aggregates"] += 1
            is_removed = streams[key].removed_at is not None
            if why := unexplained(model, status, by_subject[row], is_removed=is_removed):
                yield f"{row}: {why}"


def _given_up(by_stream: dict[str, list[Fact]]) -> set[str]:
    """Return the ids of the events of which it is said that they are never sent."""
    name = EventDiscarded.name
    told = {fact.id for facts in by_stream.values() for fact in facts if fact.name == name}
    ids = set()
    for body in (
        EventRecord.objects.filter(id__in=told).values_list("body", flat=True) if told else ()
    ):
        with suppress(msgspec.MsgspecError):  # damaged, so it says nothing
            fact: Any = schema.parse(name, body)
            if fact.reaction is None:
                ids.add(fact.event_id)
    return ids


def _state(fact: Fact, given_up: set[str]) -> tuple[str, str | None]:
    """Return where an event is, and what is wrong with that."""
    is_owed, is_published = fact.outbox is not None, fact.publication is not None
    match fact.sequence is not None, is_owed, is_published:
        case _, True, True:
            return "published", "is published, and owed all the same"
        case True, True, False:
            return "owed", None
        case True, False, True:
            return "published", None
        case True, False, False if fact.id not in given_up:
            return "missing", "is neither published nor owed, and nobody has discarded it"
        case True, False, False:
            return "discarded", None
        case False, False, False:
            return "internal", None
    return "internal", "is internal, and published or owed all the same"


def _gap(numbers: Sequence[int], stream: Stream) -> str:
    expected, found = range(stream.removed_through + 1, stream.sequence + 1), set(numbers)
    if missing := [str(number) for number in expected if number not in found]:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        return f"the numbers {', '.join(missing[:5])}{more} are missing"
    if extra := sorted(found - set(expected)):
        where = "after the last" if extra[-1] > stream.sequence else "before the first"
        return f"has the number {extra[-1]}, {where} that it gave out"
    return "its numbers do not ascend"


def _late(rows: QuerySet[Any], kind: str, seen: Counter[str]) -> Iterator[str]:
    """What is owed for too long; `rows` are without what something parked holds."""
    _, seen[f"parked {kind}"] = statistics.count(rows.model)
    late = rows.filter(event__recorded_at__lt=Now() - LATE).select_related("event")
    for row in late.order_by("pk").defer("event__body").iterator():
        yield f"{row.stream}: {row} is owed since {row.event.recorded_at:%Y-%m-%d %H:%M:%S} UTC"
