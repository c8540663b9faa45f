"""What was published is sent again, to one queue: for a consumer that must be filled anew."""

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

BATCH = 500  # messages read and sent at once; a body has up to 256 KiB
TELL_EVERY = 10.0  # seconds


class WrongSelection(DomainError):
    """What is to be sent is not said in a way that can be understood."""

    code = "wrong_selection"


class NothingToReplay(Missing):
    """Nothing that was published is what was asked for."""

    code = "nothing_to_replay"


class Stopped(Conflict):
    """Not everything was sent; the message says from where to go on."""

    code = "replay_stopped"


class Found(NamedTuple):
    """The publications that are meant: how many, and the first and the last position."""

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
) -> Found:
    """Return what was published so far and is all of what is given.

    `first` and `last` are positions, or times of publication in ISO 8601; both are included.
    Raises WrongSelection, NothingToReplay.
    """
    wanted = {
        **_bound("gte", first),
        **_bound("lte", last),
        **({"event__name__in": _known(names)} if names else {}),
        **({"event__stream": stream} if stream else {}),
        **({"organization_id": organization} if organization else {}),
    }
    rows = Publication.objects.filter(**wanted)
    found = rows.aggregate(messages=Count("position"), first=Min("position"), last=Max("position"))
    if not found["messages"]:
        raise NothingToReplay(f"Nothing of this was published{_because(stream)}.")
    return Found(rows, **found)


def replay(
    run: str,
    *,
    queue: str,
    rate: int | None = None,
    dry_run: bool = False,
    tell: Callable[[str], object] = lambda text: None,
    **selection: Any,
) -> str:
    """Send what `find(**selection)` returns to the queue, in the order of each order and cart.

    `rate` is the most messages a second. `tell` hears now and then how far it is. Returns what was
    done. Raises Unavailable, NoSuchQueue, WrongSelection, NothingToReplay, Stopped.
    """
    if is_embedded():
        raise Conflict("memory:// has no queue that others could read: use a RabbitMQ.")
    found = find(**selection)
    what = f"{found.messages} messages, positions {found.first} to {found.last},"
    publisher = Publisher(Replay(queue, run))
    try:
        if dry_run:
            return f"{what} would be sent to {queue}."
        sent = _send(found, publisher, rate, tell)
    finally:
        publisher.discard()
    return f"{sent} of {what} were sent to {queue}."


def _send(
    found: Found, publisher: Publisher, rate: int | None, tell: Callable[[str], object]
) -> int:
    size = min(BATCH, max(rate // 10, 1)) if rate else BATCH
    begun = told = time.monotonic()
    confirmed, done = found.first - 1, 0
    try:
        while batch := _after(confirmed, found, size):
            if rate:
                # The consumer shall get no more than that.
                time.sleep(max(begun + done / rate - time.monotonic(), 0))
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
            if time.monotonic() - told > TELL_EVERY:
                told = time.monotonic()
                tell(f"{done} of {found.messages} are confirmed, up to position {confirmed}.")
    except (Unavailable, Refused, OperationalError, InterfaceError, KeyboardInterrupt) as error:
        why = str(error) or "it was interrupted"
        raise Stopped(
            f"Stopped after {done} of {found.messages} messages: {why}. Everything up to position "
            f"{confirmed} is confirmed: go on from {confirmed + 1}."
        ) from error
    return done


def _after(position: int, found: Found, size: int) -> list[tuple[int, Message]]:
    rows = found.rows.filter(position__gt=position, position__lte=found.last)
    rows = rows.order_by("position").select_related("event")[:size]
    return [(row.position, _message(row.event)) for row in rows]


def _message(event: EventRecord) -> Message:
    sent = {name: getattr(event, name) for name in Message._fields if name != "timestamp"}
    return Message(**sent, timestamp=int(event.occurred_at.timestamp()))


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
        raise WrongSelection(f"“{given}” does not say in which time zone: end it with Z for UTC.")
    return {f"published_at__{lookup}": moment}


def _known(names: Iterable[str]) -> list[str]:
    known = [name for name, cls in schema.registry.items() if cls.published]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise WrongSelection(f"No event that is published is called {', '.join(unknown)}.")
    return list(names)


def _because(stream: str | None) -> str:
    removed = Stream.objects.filter(pk=stream, removed_at__isnull=False).first()
    if removed is None or removed.removed_at is None:
        return ""
    return f", or it was removed from the log on {removed.removed_at:%Y-%m-%d}"
