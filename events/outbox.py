"""Facts become rows: the log, what is owed to the broker, what is owed to other contexts."""

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

# The rows are written past the ORM, which takes four times as long, in every request.
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
    """Write what the aggregate recorded, in the transaction of its save()."""
    if facts := aggregate.pull_events():
        record(
            facts,
            organization_id=aggregate.organization_id,
            stream=aggregate.stream,
            subject=aggregate.pk,
        )


def record(
    facts: Sequence[tuple[schema.Event, datetime]],
    *,
    organization_id: str,
    stream: str,
    subject: str,
) -> None:
    """Write facts, each with when it happened, and what is owed because of them.

    The stream stays locked until commit, for internal facts too: the log's numbers then ascend
    within it.
    """
    published = sum(fact.published for fact, _ in facts)
    shard = crc32(stream.encode()) % settings.EVENTS_SHARDS
    by = request_context.current()
    events, reacting = [], []
    ahead = published  # published facts from here on
    for fact, at in facts:
        event_id = new_id("evt")
        ahead -= fact.published
        events.append(
            [
                event_id,
                organization_id,
                fact.name,
                fact.version,
                stream,
                stream,
                ahead if fact.published else None,  # a number less nothing known is null
                connection.ops.adapt_datetimefield_value(at),
                subject,
                by.actor,
                by.request_id,
                by.traceparent,
                schema.render(fact, organization_id=organization_id, at=at),
            ]
        )
        reacting += [(event_id, r.name, stream, r.context) for r in reactions.to(fact.name)]
    ids = [event[0] for event in events]
    statements = [(_STREAM, [stream, published]), _rows(_EVENTS, _EVENT, events)]
    if published:
        statements.append((_OUTBOX.format(", ".join(["%s"] * len(ids))), [shard, *ids]))
    if reacting:
        statements.append(_rows(_REACTIONS, _REACTION, reacting))
    _execute(statements)

    if published:
        notify.enqueue(tasks.relay, shard)
    for context in {context for *_, context in reacting}:
        notify.enqueue(tasks.react, stream, context)


def _rows(insert: str, row: str, values: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    return insert + ", ".join([row] * len(values)), [value for each in values for value in each]


def _execute(statements: Sequence[tuple[str, list[Any]]]) -> None:
    """Run them, on PostgreSQL in one journey: most of their time is the way there and back."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            joined = "; ".join(sql for sql, _ in statements)
            cursor.execute(joined, [value for _, values in statements for value in values])
        else:
            for sql, values in statements:
                cursor.execute(sql, values)
