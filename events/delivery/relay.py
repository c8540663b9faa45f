"""Rows become messages: in order within a stream, at least once, and as fast as the broker goes.

One relay at a time works on a shard. It reads what is owed, publishes it with at most one message
of a stream in flight, and moves what the broker confirmed from Outbox to Publication. Killed
anywhere, it leaves rows owed: consumers see again what was sent and not yet moved, at most a BATCH
of each shard, under the same id.
"""

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from config.core import retry
from config.core.locks import lock, try_lock
from events.delivery.broker import Unavailable
from events.delivery.publisher import Message, Outcome, Publisher, Refused
from events.models import EventRecord, Outbox
from events.operations import metrics

logger = logging.getLogger(__name__)

BATCH = 4000  # rows read at once: fewer would leave too few streams for a full window
LOAD = 16 * 1024 * 1024  # characters of their bodies read at once
MAX_REFUSALS = 5  # of one message by itself, before it is parked
AGE_LIMIT = 60.0  # seconds; connecting declares anew what somebody may have deleted meanwhile
IDLE_LIMIT = 30.0  # seconds; a connection idle for longer may have died unnoticed
AWAY_LIMIT = 5.0  # seconds; the longest wait before the broker is looked for again
TURN = 5.0  # seconds of sending; then another task goes on, so that a worker can stop soon

_thread = threading.local()  # .publisher with its .pid, .failures and .not_before


def publish_owed(shard: int) -> bool:
    """Publish what a shard owes, until nothing is left or the broker is away.

    Return True if messages are left because the time slice is over.

    Somebody else may be at it: the holder looks once more after letting go, so that a nudge which
    found the lock taken is not lost.
    """
    if time.monotonic() < getattr(_thread, "not_before", 0):
        return False  # the broker was away a moment ago
    turn_ends = time.monotonic() + TURN
    while True:
        with try_lock(f"relay:{shard}") as mine:
            if not mine:
                return False
            events = _owed(shard)
            if events and not _publish(events):
                return False
        if not _is_owing(shard):
            return False
        if not events and (lost := _lost(shard)):
            logger.error("Owed messages are not in the log: their numbers are %s", lost)
            return False
        if time.monotonic() > turn_ends:
            return True


def owing() -> Iterator[int]:
    """Yield the shards that have something to publish now."""
    # From one to the next by their index: to ask for all at once reads the whole backlog.
    shard = -1
    while rows := _rows(_due("shard", "shard > %s ORDER BY shard, event_id LIMIT 1"), shard):
        ((shard,),) = rows
        yield shard


def _due(select: str, where: str) -> str:
    """Return SQL for what is owed and neither parked, nor put off, nor after something that is."""
    # By hand: Django takes five times as long to write it as the database to answer.
    return (
        f"SELECT {select} FROM events_outbox WHERE stream NOT IN (SELECT stream FROM events_outbox"
        f" WHERE parked_at IS NOT NULL OR not_before > {_NOW[connection.vendor]}) AND {where}"
    )


def _rows(sql: str, *values: int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


_NOW = {
    "postgresql": "STATEMENT_TIMESTAMP()",
    "sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')",
}
_SECONDS = {  # POSIX; of a datetime Python would make them in longer than it takes to read a row
    "postgresql": "FLOOR(EXTRACT(EPOCH FROM occurred_at))::bigint",
    "sqlite": "CAST(STRFTIME('%%s', SUBSTR(occurred_at, 1, 19)) AS INTEGER)",
}


def _owed(shard: int) -> list[Message]:
    seconds = {"timestamp": _SECONDS[connection.vendor]}
    columns = ", ".join(seconds.get(name, name) for name in Message._fields)
    # The limit comes before the join: a long backlog must not be joined for each batch.
    numbers = _due("event_id", "shard = %s ORDER BY event_id LIMIT %s")
    rows = _rows(
        f"SELECT {columns} FROM (SELECT *, SUM(LENGTH(body)) OVER (ORDER BY number) AS total"
        f" FROM events_eventrecord WHERE number IN ({numbers})) AS batch"
        " WHERE total < %s + LENGTH(body) ORDER BY number",
        *(shard, BATCH, LOAD),
    )
    return [Message(*row) for row in rows]


def _is_owing(shard: int) -> bool:
    return bool(_rows(_due("1", "shard = %s LIMIT 1"), shard))


def _lost(shard: int) -> list[int]:
    """Return the numbers of owed events that somebody has deleted by hand."""
    log = "SELECT 1 FROM events_eventrecord WHERE number = event_id"
    rows = _rows(_due("event_id", f"shard = %s AND NOT EXISTS ({log}) LIMIT 10"), shard)
    return [number for (number,) in rows]


def _publish(events: list[Message]) -> bool:
    """Send the events and record the answers. Return whether the broker is there."""
    outcomes: dict[str, Outcome] = {}
    refusals: dict[str, str] = {}
    reachable = True
    try:
        try:
            _publisher().send(events, outcomes, TURN)
        except Refused:
            # Which message it was about cannot be told from a pipeline.
            _discard_publisher()
            _send_one_by_one(events, outcomes, refusals)
    except Unavailable as error:
        _discard_publisher()
        _back_off()
        logger.warning("Broker unavailable, %d events stay owed: %s", len(events), error)
        reachable = False
    _record(events, outcomes, refusals)
    return reachable


def _send_one_by_one(
    events: list[Message], outcomes: dict[str, Outcome], refusals: dict[str, str]
) -> None:
    stopped, turn_ends = set(), time.monotonic() + TURN
    for event in events:
        if time.monotonic() > turn_ends:
            return
        if event.stream in stopped:
            continue
        if event.id not in outcomes:
            try:
                _publisher().send([event], outcomes)
            except Refused as error:
                _discard_publisher()
                refusals[event.id] = str(error)
        if outcomes.get(event.id) is not Outcome.CONFIRMED:
            stopped.add(event.stream)


def _record(events: list[Message], outcomes: dict[str, Outcome], refusals: dict[str, str]) -> None:
    confirmed, failed = [], {}
    for event in events:
        match outcomes.get(event.id):
            case Outcome.CONFIRMED:
                confirmed.append(event.number)
            case Outcome.NACKED | Outcome.RETURNED as outcome:
                failed[event.number] = f"{outcome.value} by the broker"
            case None if event.id in refusals:
                failed[event.number] = refusals[event.id]
    refused = {event.number for event in events if event.id in refusals}
    with transaction.atomic():
        if failed:
            _postpone(failed, refused)
        if confirmed:
            oldest = EventRecord.objects.filter(pk=confirmed[0])
            (age,) = oldest.values_list(Now() - F("recorded_at"), flat=True)
            metrics.commit_to_confirm_seconds.observe(age.total_seconds())
            _move(confirmed)  # last, because all other relays wait for its lock
    metrics.published.labels("confirmed").inc(len(confirmed))
    for event in events:
        if event.number in failed:
            result = "refused" if event.id in refusals else outcomes[event.id].value
            metrics.published.labels(result).inc()
    if Outcome.RETURNED in outcomes.values():
        _discard_publisher()  # connecting declares the topology, and so the missing binding


def _move(numbers: list[int]) -> None:
    these = ", ".join(map(str, numbers))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM events_outbox WHERE event_id IN ({these})")
        lock("publication")  # positions become visible in order
        cursor.execute(
            "INSERT INTO events_publication (event_id, organization_id)"
            f" SELECT number, organization_id FROM events_eventrecord WHERE number IN ({these})"
            " ORDER BY number"
        )


def _postpone(failed: dict[int, str], refused: set[int]) -> None:
    """Try these later; only what is refused by itself is ever parked."""
    rows = Outbox.objects.filter(pk__in=failed)
    alike = defaultdict(list)  # written together: a full queue may have nacked a whole batch
    for number, attempts in rows.values_list("pk", "attempts"):
        is_parked = number in refused and attempts + 1 >= MAX_REFUSALS
        alike[failed[number][:2000], attempts + 1, is_parked].append(number)
    for (error, attempts, is_parked), numbers in alike.items():
        these = rows.filter(pk__in=numbers)
        these.update(
            last_error=error,
            attempts=attempts,
            not_before=retry.later(attempts),
            parked_at=Now() if is_parked else None,
        )
        for row in these.select_related("event") if is_parked else ():
            logger.error(
                "%s is parked and holds its stream: %s",
                row.event.name,
                error,
                extra=row.event.to_log(),
            )


def _publisher() -> Publisher:
    """Return this thread's publisher, made after the fork. Raises Unavailable."""
    publisher: Publisher | None = getattr(_thread, "publisher", None)
    if publisher and _thread.pid == os.getpid():
        now = time.monotonic()
        if now - publisher.last_used < IDLE_LIMIT and now - publisher.made_at < AGE_LIMIT:
            return publisher
        _discard_publisher()
    publisher = Publisher()
    _thread.publisher, _thread.pid, _thread.failures = publisher, os.getpid(), 0
    return publisher


def _discard_publisher() -> None:
    if publisher := getattr(_thread, "publisher", None):
        publisher.discard()
    _thread.publisher = None


def _back_off() -> None:
    metrics.broker_failures.labels("relay").inc()
    _thread.failures = getattr(_thread, "failures", 0) + 1
    wait = min(retry.seconds(_thread.failures), AWAY_LIMIT)
    _thread.not_before = time.monotonic() + wait
