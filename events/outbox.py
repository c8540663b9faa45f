"""Facts become rows: the log, what is owed to the broker, what is owed to other contexts."""

from collections.abc import Sequence
from datetime import datetime
from zlib import crc32

from django.conf import settings
from django.db import connection, transaction

from events import origin, reactions, schema, wake
from events.aggregate import Aggregate
from events.models import Event, Outbox, Reaction


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
    origin_now = origin.current()
    events = []
    for fact, at in facts:
        sequence += fact.published
        event = Event(
            organization_id=organization_id,
            name=fact.name,
            version=schema.VERSION,
            stream=stream,
            sequence=sequence if fact.published else None,
            occurred_at=at,
            subject=subject,
            actor=origin_now.actor,
            request_id=origin_now.request_id,
            traceparent=origin_now.traceparent,
            body=schema.render(fact, organization_id=organization_id, at=at),
        )
        events.append(event)
    Event.objects.bulk_create(events)
    shard = crc32(stream.encode()) % settings.EVENTS_SHARDS
    owed = [Outbox(event=e, stream=e.stream, shard=shard) for e in events if e.sequence]
    Outbox.objects.bulk_create(owed)
    reacting = [
        Reaction(event=e, reaction=r.name, stream=e.stream, context=r.context)
        for e in events
        for r in reactions.to(e.name)
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
