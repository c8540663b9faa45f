"""Publishes pending messages: in order within a stream, and at least once.

A shard has at most one relay at a time. The relay reads the pending messages of its shards,
publishes them with at most one message of a stream in flight, and moves what the broker confirmed
from Outbox to Publication. If its process is killed, the messages stay pending: consumers get
those again that were sent and not moved yet, at most BATCH_SIZE for each shard, with the same id.
"""

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from config.core import retry
from config.core.locks import lock_number, try_lock
from events.delivery.broker import Unavailable
from events.delivery.publisher import Message, Outcome, Publisher, Refused
from events.models import Outbox
from events.operations import metrics

logger = logging.getLogger(__name__)

FEW = 100  # messages of each shard; more are left to a task of the shard
BATCH_SIZE = 4000  # messages; fewer would have too few streams to fill the window
MAX_BATCH_LENGTH = 16 * 1024 * 1024  # characters of all bodies
MAX_REFUSALS = 5  # of one message sent alone, before it is parked
MAX_AGE = 60.0  # seconds of a connection; a new one declares the topology again
MAX_IDLE = 30.0  # seconds; a connection that is idle for longer may be dead
MAX_BACK_OFF = 5.0  # seconds between two attempts to reach the broker
TIME_SLICE = 5.0  # seconds of sending in one task, so that a worker can stop soon

_thread = threading.local()  # .publisher with its .pid, .failures and .not_before


def publish_pending(shard: int | None = None) -> list[int]:
    """Publish the pending messages of a shard until none is left or the broker is unavailable.

    Without a shard, publish a few messages of each. Return the shards whose messages are left to
    tasks of their own, because there are many or the time slice is over.

    If another relay holds a shard's lock, it publishes them: it looks again after it has released
    the lock, so messages that were committed in the meantime are not missed.
    """
    if time.monotonic() < getattr(_thread, "not_before", 0):
        return []  # the broker was unavailable a moment ago
    shards = range(settings.EVENTS_SHARDS) if shard is None else [shard]
    limit = FEW if shard is None else BATCH_SIZE
    slice_ends = time.monotonic() + TIME_SLICE
    while True:
        # Patient, because another relay may be frozen while it records, until PostgreSQL ends its
        # transaction. To give up earlier would mean to send all messages again, each time.
        with try_lock(*(f"relay:{each}" for each in shards), is_patient=True) as acquired:
            shards = [each for each in shards if f"relay:{each}" in acquired]
            if not shards:
                return []
            messages, age = _pending_messages(shards, limit)
            if messages and not _send_batch(messages, age):
                return []
        shards = shards_with_pending_messages(shards)
        if not shards:
            return []
        if not messages and (numbers := _not_in_log(shards)):
            logger.error("Pending messages are not in the log: their numbers are %s", numbers)
            return []
        if (shard is None and len(messages) >= limit) or time.monotonic() > slice_ends:
            return shards


def shards_with_pending_messages(shards: Iterable[int]) -> list[int]:
    """Return which of the shards have messages to publish now."""
    return [shard for (shard,) in _rows(_due(shards, "shard", 1))]


def _due(shards: Iterable[int], select: str, limit: int) -> str:
    """Return SQL for the oldest pending messages of each shard: at most `limit` of each.

    It leaves out streams with a parked or delayed message.
    """
    # By hand: Django takes five times as long to write it as the database to answer. Shard by
    # shard in the order of their index: otherwise PostgreSQL could sort all pending rows.
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT {select} FROM events_outbox WHERE shard = {shard} AND stream NOT IN"
        " (SELECT stream FROM events_outbox"
        f" WHERE parked_at IS NOT NULL OR not_before > {_NOW[connection.vendor]})"
        f" ORDER BY shard, event_id LIMIT {limit}) AS shard_{shard}"
        for shard in shards
    )


def _rows(sql: str, *values: int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


_NOW = {
    "postgresql": "STATEMENT_TIMESTAMP()",
    "sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')",
}
_SECONDS = {  # POSIX; Python would take longer to convert a datetime than to read the row
    "postgresql": "FLOOR(EXTRACT(EPOCH FROM occurred_at))::bigint",
    "sqlite": "CAST(STRFTIME('%%s', SUBSTR(occurred_at, 1, 19)) AS INTEGER)",
}
_AGE = {  # seconds
    "postgresql": "EXTRACT(EPOCH FROM STATEMENT_TIMESTAMP() - recorded_at)::float",
    "sqlite": "(JULIANDAY('NOW') - JULIANDAY(recorded_at)) * 86400",
}


def _pending_messages(shards: Iterable[int], limit: int) -> tuple[list[Message], float]:
    """Return the messages to publish next, and the age of the oldest in seconds."""
    seconds = {"timestamp": _SECONDS[connection.vendor]}
    columns = ", ".join(seconds.get(name, name) for name in Message._fields)
    # The limit comes before the join, so that a batch does not join all pending rows.
    numbers = _due(shards, "event_id", limit)
    rows = _rows(
        f"SELECT {_AGE[connection.vendor]}, {columns}"
        " FROM (SELECT *, SUM(LENGTH(body)) OVER (ORDER BY number) AS total"
        f" FROM events_eventrecord WHERE number IN ({numbers})) AS batch"
        " WHERE total < %s + LENGTH(body) ORDER BY number",
        MAX_BATCH_LENGTH,
    )
    return [Message(*row) for _, *row in rows], max((age for age, *_ in rows), default=0.0)


def _not_in_log(shards: Iterable[int]) -> list[int]:
    """Return the numbers of pending messages whose events were deleted by hand."""
    rows = _rows(
        f"SELECT event_id FROM ({_due(shards, 'event_id', BATCH_SIZE)}) AS pending WHERE NOT EXISTS"
        " (SELECT 1 FROM events_eventrecord WHERE number = event_id) LIMIT 10"
    )
    return [number for (number,) in rows]


def _send_batch(messages: list[Message], age: float) -> bool:
    """Send the messages and record the outcomes. Return whether the broker is available."""
    outcomes: dict[str, Outcome] = {}
    refusals: dict[str, str] = {}
    available, started = True, time.monotonic()
    try:
        try:
            _publisher().send(messages, outcomes, TIME_SLICE)
        except Refused:
            # The error does not say which of the messages in flight it is about.
            _discard_publisher()
            _send_one_by_one(messages, outcomes, refusals)
    except Unavailable as error:
        _discard_publisher()
        _back_off()
        logger.warning("Broker unavailable, %d messages stay pending: %s", len(messages), error)
        available = False
    if Outcome.CONFIRMED in outcomes.values():
        metrics.commit_to_confirm_seconds.observe(age + time.monotonic() - started)
    _record(messages, outcomes, refusals)
    return available


def _send_one_by_one(
    messages: list[Message], outcomes: dict[str, Outcome], refusals: dict[str, str]
) -> None:
    stopped, slice_ends = set(), time.monotonic() + TIME_SLICE
    for message in messages:
        if time.monotonic() > slice_ends:
            return
        if message.stream in stopped:
            continue
        if message.id not in outcomes:
            try:
                _publisher().send([message], outcomes)
            except Refused as error:
                _discard_publisher()
                refusals[message.id] = str(error)
        if outcomes.get(message.id) is not Outcome.CONFIRMED:
            stopped.add(message.stream)


def _record(
    messages: list[Message], outcomes: dict[str, Outcome], refusals: dict[str, str]
) -> None:
    confirmed, failed = [], {}
    for message in messages:
        match outcomes.get(message.id):
            case Outcome.CONFIRMED:
                confirmed.append(message.number)
            case Outcome.NACKED | Outcome.RETURNED as outcome:
                failed[message.number] = f"{outcome.value} by the broker"
            case None if message.id in refusals:
                failed[message.number] = refusals[message.id]
    refused = {message.number for message in messages if message.id in refusals}
    with transaction.atomic(savepoint=False):  # on PostgreSQL, the transaction of the lock
        if failed:
            _postpone(failed, refused)
        if confirmed:
            _mark_published(confirmed)  # last, because all other relays wait for its lock
    metrics.published.labels("confirmed").inc(len(confirmed))
    for message in messages:
        if message.number in failed:
            result = "refused" if message.id in refusals else outcomes[message.id].value
            metrics.published.labels(result).inc()
    if Outcome.RETURNED in outcomes.values():
        _discard_publisher()  # the next connection declares the missing binding


def _mark_published(numbers: list[int]) -> None:
    """Move the rows, with a lock so that positions become visible in order."""
    these = ", ".join(map(str, numbers))
    delete = f"DELETE FROM events_outbox WHERE event_id IN ({these})"
    insert = (
        "INSERT INTO events_publication (event_id, organization_id)"
        f" SELECT number, organization_id FROM events_eventrecord{{}} WHERE number IN ({these})"
        " ORDER BY number"
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Counting the deleted rows ends the deletion before the wait for the lock. Positions
            # are taken from the sorted rows, so after it.
            positions = (
                ", (SELECT pg_advisory_xact_lock(%s) FROM (SELECT COUNT(*) FROM deleted) AS done)"
                " AS locked"
            )
            cursor.execute(
                f"WITH deleted AS ({delete} RETURNING 1) {insert.format(positions)}",
                [lock_number("publication")],
            )
        else:
            cursor.execute(delete)
            cursor.execute(insert.format(""))


def _postpone(failed: dict[int, str], refused: set[int]) -> None:
    """Delay the messages; park those that were refused alone MAX_REFUSALS times."""
    rows = Outbox.objects.filter(pk__in=failed)
    alike = defaultdict(list)  # updated together: a full queue may have nacked the whole batch
    for number, attempts in rows.values_list("pk", "attempts"):
        is_parked = number in refused and attempts + 1 >= MAX_REFUSALS
        alike[failed[number][:2000], attempts + 1, is_parked].append(number)
    for (error, attempts, is_parked), numbers in alike.items():
        these = rows.filter(pk__in=numbers)
        these.update(
            last_error=error,
            attempts=attempts,
            not_before=retry.next_attempt(attempts),
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
    """Return the publisher of this thread and process. Raises Unavailable."""
    publisher: Publisher | None = getattr(_thread, "publisher", None)
    if publisher and _thread.pid == os.getpid():
        now = time.monotonic()
        if now - publisher.last_used < MAX_IDLE and now - publisher.made_at < MAX_AGE:
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
    wait = min(retry.seconds(_thread.failures), MAX_BACK_OFF)
    _thread.not_before = time.monotonic() + wait
