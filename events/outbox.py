"""Writes events to the log with their messages, and runs the reactions to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

from django.conf import settings
from django.db import connection

from config.core import request_context
from config.core.ids import new_id
from events import reactions, schema, tasks
from events.aggregate import Aggregate
from events.delivery import notify
from events.models import EventRecord

Value = str | int | None  # of a column
Statement = tuple[str, Sequence[Value]]
Recorded = tuple[schema.Event, datetime]  # an event and the moment when it happened

# Every request writes these rows. The ORM would take four times as long.
_STREAM = (
    "INSERT INTO events_stream (key, sequence) VALUES (%s, %s) ON CONFLICT (key)"
    " DO UPDATE SET sequence = events_stream.sequence + excluded.sequence,"
    " last_on = excluded.last_on"
)
_EVENTS = (
    "INSERT INTO events_eventrecord (id, organization_id, name, version, stream, sequence,"
    " occurred_at, subject, actor, request_id, traceparent, body) VALUES "
)
_EVENT = (
    "(%s, %s, %s, %s, %s, (SELECT sequence FROM events_stream WHERE key = %s) - %s,"
    " %s, %s, %s, %s, %s, %s)"
)
_OUTBOX = (
    "INSERT INTO events_outbox (event_id, stream, shard, attempts, last_error)"
    " SELECT number, stream, %s, 0, '' FROM events_eventrecord"
    " WHERE id IN ({}) AND sequence IS NOT NULL"
)
_REACTIONS = (
    "INSERT INTO events_reaction (event_id, reaction, stream, context, attempts, last_error)"
    " VALUES "
)
_REACTION = "((SELECT number FROM events_eventrecord WHERE id = %s), %s, %s, %s, 0, '')"
# The number of an event, and the contexts with pending reactions to its stream.
_PENDING = (
    "SELECT event.number, pending.context FROM events_eventrecord event"
    " LEFT JOIN events_reaction pending ON pending.stream = event.stream WHERE event.id = %s"
)


def write(aggregate: Aggregate) -> None:
    """Write the events that the aggregate recorded, in the transaction of its `save()`."""
    if events := aggregate.pull_events():
        record(
            events,
            organization_id=aggregate.organization_id,
            stream=aggregate.stream,
            subject=aggregate.pk,
        )


def record(events: Sequence[Recorded], *, organization_id: str, stream: str, subject: str) -> None:
    """Write events, each with the moment when it happened, and run the reactions to each.

    An event is written after the reactions to the one before it have run, so that effects directly
    follow their cause. The stream stays locked until the commit, so that the numbers of the log
    ascend within it. Raises InvalidEvent.
    """
    batch: list[Recorded] = []
    for event, at in events:
        batch.append((event, at))
        if reactions.immediate(event.name):
            about, waiting = _write(batch, organization_id, stream, subject)
            reactions.run_immediate(event, about, waiting=waiting)
            batch = []
    if batch:
        _write(batch, organization_id, stream, subject)


def _write(
    events: Sequence[Recorded], organization_id: str, stream: str, subject: str
) -> tuple[EventRecord, set[str]]:
    """Write events whose reactions, except those to the last event, are all deferred.

    If the last event has immediate reactions, return its row with its number, and the contexts
    with pending reactions to the stream.
    """
    is_published = [schema.is_published(event) for event, _ in events]
    published = sum(is_published)
    shard = crc32(stream.encode()) % settings.EVENTS_SHARDS
    context = request_context.current()
    rows: list[list[Value]] = []
    deferred: list[tuple[str, str, str, str]] = []
    later = published  # published events from this one on
    for (event, at), is_sent in zip(events, is_published, strict=True):
        about = EventRecord(
            id=new_id("evt"),
            organization_id=organization_id,
            name=event.name,
            version=event.version,
            stream=stream,
            occurred_at=at,
            subject=subject,
            actor=context.actor,
            request_id=context.request_id,
            traceparent=context.traceparent,
            body=schema.render(event, organization_id=organization_id, at=at),
        )
        later -= is_sent
        rows.append(
            [
                about.id,
                organization_id,
                about.name,
                about.version,
                stream,
                stream,
                later if is_sent else None,  # SQL: a number minus null is null
                connection.ops.adapt_datetimefield_value(at),
                subject,
                about.actor,
                about.request_id,
                about.traceparent,
                about.body,
            ]
        )
        deferred += [(about.id, r.name, stream, r.context) for r in reactions.deferred(event.name)]
    ids = [row[0] for row in rows]
    statements: list[Statement] = [(_STREAM, [stream, published]), _insert(_EVENTS, _EVENT, rows)]
    if published:
        statements.append((_OUTBOX.format(", ".join(["%s"] * len(ids))), [shard, *ids]))
    if deferred:
        statements.append(_insert(_REACTIONS, _REACTION, deferred))
    if has_reactions := bool(reactions.immediate(about.name)):
        statements.append((_PENDING, [about.id]))
    found = _execute(statements)
    if has_reactions:
        about.number = found[0][0]

    if published:
        notify.enqueue(tasks.relay)
    if deferred:
        notify.enqueue(tasks.react, stream)
    return about, {reacting_context for _, reacting_context in found}


def _insert(insert: str, row: str, values: Sequence[Sequence[Value]]) -> Statement:
    return insert + ", ".join([row] * len(values)), [value for each in values for value in each]


def _execute(statements: Sequence[Statement]) -> list[tuple[Any, ...]]:
    """Execute the statements and return the rows of the last one, if it is a query.

    On PostgreSQL they take one round trip, which is most of their time.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with connection.connection.pipeline():
                for sql, values in statements:
                    cursor.execute(sql, values)
        else:
            for sql, values in statements:
                cursor.execute(sql, values)
        return list(cursor.fetchall()) if cursor.description else []
