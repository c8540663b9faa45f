"""Sends published events again to one queue, for a consumer that lost or never had them."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError
from django.db.models import Count, Max, Min, QuerySet

from config.core.exceptions import Conflict, DomainError, Missing
from events import schema
from events.delivery.broker import Unavailable, is_embedded
from events.delivery.publisher import Message, Outcome, Publisher, Refused, Replay
from events.models import EventRecord, Publication, Stream

BATCH_SIZE = 500  # messages read and sent at once; a body has up to 256 KiB
REPORT_EVERY = 10.0  # seconds


class WrongSelection(DomainError):
    """An option that selects events is not valid."""

    code = "wrong_selection"


class NothingToReplay(Missing):
    """No published event matches the selection."""

    code = "nothing_to_replay"


class ReplayStopped(Conflict):
    """Not all messages were sent. The error says from which position to continue."""

    code = "replay_stopped"


class Selection(NamedTuple):
    """The selected publications, their number, and the first and last position."""

    rows: QuerySet[Publication]
    messages: int
    first: int
    last: int


def find(
    *,
    first: str | None = None,
    last: str | None = None,
    names: Iterable[str] = (),
    stream: str | None = None,
    organization: str | None = None,
) -> Selection:
    """Return the events published so far that meet all the conditions.

    `first` and `last` are positions, or times of publication in ISO 8601; both are included.
    Raises WrongSelection, NothingToReplay.
    """
    conditions = {
        **_bound("gte", first),
        **_bound("lte", last),
        **({"event__name__in": _known(names)} if names else {}),
        **({"event__stream": stream} if stream else {}),
        **({"organization_id": organization} if organization else {}),
    }
    rows = Publication.objects.filter(**conditions)
    found = rows.aggregate(messages=Count("position"), first=Min("position"), last=Max("position"))
    if not found["messages"]:
        raise NothingToReplay(f"No published event matches{_because(stream)}.")
    return Selection(rows, **found)


def replay(
    run: str,
    *,
    queue: str,
    rate: int | None = None,
    dry_run: bool = False,
    report: Callable[[str], object] = lambda text: None,
    **conditions: Any,
) -> str:
    """Send what `find(**conditions)` returns to the queue, in the order of each stream.

    `rate` limits the messages a second. `report` is called with the progress every 10 seconds.
    Return the result as text. Raises Unavailable, NoSuchQueue, WrongSelection, NothingToReplay,
    ReplayStopped.
    """
    if is_embedded():
        raise Conflict("memory:// has no queue that another process can read. Use RabbitMQ.")
    selection = find(**conditions)
    what = f"{selection.messages} messages, positions {selection.first} to {selection.last},"
    publisher = Publisher(Replay(queue, run))
    try:
        if dry_run:
            return f"{what} would be sent to {queue}."
        sent = _send(selection, publisher, rate, report)
    finally:
        publisher.discard()
    return f"{sent} of {what} were sent to {queue}."


def _send(
    selection: Selection, publisher: Publisher, rate: int | None, report: Callable[[str], object]
) -> int:
    size = min(BATCH_SIZE, max(rate // 10, 1)) if rate else BATCH_SIZE
    begun = reported = time.monotonic()
    confirmed, done = selection.first - 1, 0
    try:
        while batch := _after(confirmed, selection, size):
            if rate:
                time.sleep(max(begun + done / rate - time.monotonic(), 0))  # keeps to `rate`
            outcomes: dict[str, Outcome] = {}
            try:
                publisher.send([message for _, message in batch], outcomes)
            finally:
                for position, message in batch:
                    if outcomes.get(message.id) is not Outcome.CONFIRMED:
                        break
                    confirmed, done = position, done + 1
            if confirmed != batch[-1][0]:
                raise Refused("the queue is gone or full")
            if time.monotonic() - reported > REPORT_EVERY:
                reported = time.monotonic()
                report(f"{done} of {selection.messages} are confirmed, up to position {confirmed}.")
    except (Unavailable, Refused, OperationalError, InterfaceError, KeyboardInterrupt) as error:
        why = str(error) or "it was interrupted"
        raise ReplayStopped(
            f"Stopped after {done} of {selection.messages} messages: {why}. All up to position "
            f"{confirmed} are confirmed: continue from {confirmed + 1}."
        ) from error
    return done


def _after(position: int, selection: Selection, size: int) -> list[tuple[int, Message]]:
    rows = selection.rows.filter(position__gt=position, position__lte=selection.last)
    rows = rows.order_by("position").select_related("event")[:size]
    return [(row.position, _message(row.event)) for row in rows]


def _message(event: EventRecord) -> Message:
    columns = {name: getattr(event, name) for name in Message._fields if name != "timestamp"}
    return Message(**columns, timestamp=int(event.occurred_at.timestamp()))


def _bound(lookup: str, given: str | None) -> dict[str, int | datetime]:
    if given is None:
        return {}
    if given.isascii() and given.isdigit():
        return {f"position__{lookup}": int(given)}
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise WrongSelection(
            f"“{given}” is neither a position nor a time like 2025-11-23T15:00:00Z."
        ) from error
    if moment.tzinfo is None:
        raise WrongSelection(f"“{given}” has no time zone: end it with Z for UTC.")
    return {f"published_at__{lookup}": moment}


def _known(names: Iterable[str]) -> list[str]:
    unknown = sorted(set(names) - set(schema.registry))
    if unknown:
        raise WrongSelection(f"No event is called {', '.join(unknown)}.")
    return list(names)


def _because(stream: str | None) -> str:
    removed = Stream.objects.filter(pk=stream, removed_at__isnull=False).first()
    if removed is None or removed.removed_at is None:
        return ""
    return f"; the events of {stream} were removed on {removed.removed_at:%Y-%m-%d}"
