"""Facts become rows: the log, what is owed to the broker, what is owed to other contexts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

from django.conf import settings
from django.db import connection, transaction

from events import origin, reactions, schema, wake
from events.aggregate import Aggregate
from events.ids import new_id
from events.models import Reaction


def put(aggregate: Aggregate) -> None:
    """Write what the aggregate recorded, in the transaction of its save()."""
    if facts := aggregate.take_facts():
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
    """Write facts, each with when it happened, and what is owed because of them."""
    published = sum(fact.published for fact, _ in facts)
    sequence = _advance(stream, published) - published
    by = origin.current()
    rows = []
    for fact, at in facts:
        sequence += fact.published
        row = {
            "id": new_id("evt"),
            "organization_id": organization_id,
            "name": fact.name,
            "version": schema.VERSION,
            "stream": stream,
            "sequence": sequence if fact.published else None,
            "occurred_at": connection.ops.adapt_datetimefield_value(at),
            "subject": subject,
            "actor": by.actor,
            "request_id": by.request_id,
            "traceparent": by.traceparent,
            "body": schema.render(fact, organization_id=organization_id, at=at),
        }
        rows.append(row)
    numbers = _insert("events_event", rows, returning="number")
    written = list(zip(numbers, (fact for fact, _ in facts), strict=True))
    shard = crc32(stream.encode()) % settings.EVENTS_SHARDS
    owed = [
        {"event_id": number, "stream": stream, "shard": shard, "attempts": 0, "last_error": ""}
        for number, fact in written
        if fact.published
    ]
    if owed:
        _insert("events_outbox", owed, returning="event_id")
    reacting = [
        Reaction(event_id=number, reaction=r.name, stream=stream, context=r.context)
        for number, fact in written
        for r in reactions.to(fact.name)
    ]
    Reaction.objects.bulk_create(reacting)

    def nudge() -> None:
        if owed:
            wake.relay(shard)
        for context in {r.context for r in reacting}:
            wake.react(stream, context)

    transaction.on_commit(nudge, robust=True)


def _advance(stream: str, count: int) -> int:
    """Lock the stream until commit, and return its last number after taking `count` more.

    Taken for internal facts too (`count` 0): the log's numbers then ascend within a stream.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_stream (key, sequence) VALUES (%s, %s) ON CONFLICT (key)"
            " DO UPDATE SET sequence = events_stream.sequence + excluded.sequence"
            " RETURNING sequence",
            [stream, count],
        )
        return int(cursor.fetchone()[0])


def _insert(table: str, rows: Sequence[dict[str, Any]], *, returning: str) -> list[Any]:
    """Insert rows and return a column of each; the ORM takes three times the processor's time."""
    columns = ", ".join(rows[0])
    row = f"({', '.join(['%s'] * len(rows[0]))})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES {', '.join([row] * len(rows))}"
            f" RETURNING {returning}",
            [value for each in rows for value in each.values()],
        )
        return [value for (value,) in cursor.fetchall()]
