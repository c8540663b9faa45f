"""Writes events to the log, together with the messages and reactions that follow from them."""

from collections.abc import Sequence
from datetime import datetime
from zlib import crc32

from django.conf import settings
from django.db import connection

from config.core import request_context
from config.core.ids import new_id
from events import reactions, schema, tasks
from events.aggregate import Aggregate
from events.delivery import notify

Value = str | int | None  # of a column
Statement = tuple[str, Sequence[Value]]

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


def write(aggregate: Aggregate) -> None:
    """Write the events that the aggregate recorded, in the transaction of its `save()`."""
    if events := aggregate.pull_events():
        record(
            events,
            organization_id=aggregate.organization_id,
            stream=aggregate.stream,
            subject=aggregate.pk,
        )


def record(
    events: Sequence[tuple[schema.Event, datetime]],
    *,
    organization_id: str,
    stream: str,
    subject: str,
) -> None:
    """Write events, each with the moment when it happened, and the work that follows from them.

    The stream stays locked until the commit, so that the numbers of the log ascend within it.
    Raises InvalidEvent.
    """
    is_published = [schema.is_published(event) for event, _ in events]
    published = sum(is_published)
    shard = crc32(stream.encode()) % settings.EVENTS_SHARDS
    context = request_context.current()
    rows: list[list[Value]] = []
    pending: list[tuple[str, str, str, str]] = []
    later = published  # published events from this one on
    for (event, at), is_sent in zip(events, is_published, strict=True):
        event_id = new_id("evt")
        later -= is_sent
        rows.append(
            [
                event_id,
                organization_id,
                event.name,
                event.version,
                stream,
                stream,
                later if is_sent else None,  # SQL: a number minus null is null
                connection.ops.adapt_datetimefield_value(at),
                subject,
                context.actor,
                context.request_id,
                context.traceparent,
                schema.render(event, organization_id=organization_id, at=at),
            ]
        )
        pending += [(event_id, r.name, stream, r.context) for r in reactions.to(event.name)]
    ids = [row[0] for row in rows]
    statements: list[Statement] = [(_STREAM, [stream, published]), _insert(_EVENTS, _EVENT, rows)]
    if published:
        statements.append((_OUTBOX.format(", ".join(["%s"] * len(ids))), [shard, *ids]))
    if pending:
        statements.append(_insert(_REACTIONS, _REACTION, pending))
    _execute(statements)

    if published:
        notify.enqueue(tasks.relay, shard)
    for reacting_context in {row[-1] for row in pending}:
        notify.enqueue(tasks.react, stream, reacting_context)


def _insert(insert: str, row: str, values: Sequence[Sequence[Value]]) -> Statement:
    return insert + ", ".join([row] * len(values)), [value for each in values for value in each]


def _execute(statements: Sequence[Statement]) -> None:
    """Execute the statements, on PostgreSQL in one round trip, which is most of their time."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            joined = "; ".join(sql for sql, _ in statements)
            cursor.execute(joined, [value for _, values in statements for value in values])
        else:
            for sql, values in statements:
                cursor.execute(sql, values)
