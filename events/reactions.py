"""Reactions: what one context does about another's fact, each exactly once and in order."""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from config.core import request_context
from config.core.exceptions import Conflict
from config.core.locks import try_lock
from config.core.retry import later
from events import schema
from events.models import EventRecord, Reaction

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 10
Handler = Callable[[Any, EventRecord], None]


@dataclass(frozen=True)
class Registered:
    """A function that reacts to an event, and the context that it belongs to."""

    name: str
    context: str
    handler: Handler


_by_event: defaultdict[str, list[Registered]] = defaultdict(list)
_by_name: dict[str, Registered] = {}


def reacts_to(event: type[schema.Event]) -> Callable[[Handler], Handler]:
    """Register `handler(fact, about)`: the typed payload, and the log's row about it.

    It runs in a transaction of its own after the fact has been committed, once, and after
    everything that its context owed to the same stream. It never calls the outside world.
    """

    def register(handler: Handler) -> Handler:
        context = handler.__module__.partition(".")[0]
        reaction = Registered(f"{context}.{handler.__name__}", context, handler)
        _by_event[event.name].append(reaction)
        _by_name[reaction.name] = reaction
        return handler

    return register


def to(event_name: str) -> list[Registered]:
    """Return who reacts to an event."""
    return _by_event[event_name]


class NotSettled(Conflict):
    """Something has just happened that is not heard of everywhere: try again in a moment."""

    code = "not_settled"


def expect_settled(stream: str, context: str) -> None:
    """Raise NotSettled while a context owes something to the facts of a stream.

    Whoever asks must hold the lock without which the stream has no new facts.
    """
    if Reaction.objects.filter(stream=stream, context=context).exists():
        raise NotSettled(
            f"Something has just happened to {stream}, which is about to be taken into account: "
            "try again in a moment."
        )


def settle(stream: str, context: str) -> None:
    """Do what a context owes to the facts of a stream, oldest first.

    Somebody else may be at it: the holder looks once more after letting go, so that a nudge which
    found the lock taken is not lost.
    """
    while True:
        with try_lock(f"react:{stream}:{context}") as mine:
            if not mine:
                return
            if owed := _oldest_due(stream, context):
                _do(owed)
        if not _oldest_due(stream, context):
            return


def _oldest_due(stream: str, context: str) -> Reaction | None:
    """Return the oldest owed row of the pair if its time has come; it holds the later ones."""
    owed = Reaction.objects.filter(stream=stream, context=context)
    oldest = owed.select_related("event").annotate(now=Now()).order_by("id").first()
    if oldest is None or oldest.parked_at or (oldest.not_before and oldest.not_before > oldest.now):
        return None
    return oldest


def _do(owed: Reaction) -> None:
    about = owed.event
    try:
        with transaction.atomic(), request_context.use(traceparent=about.traceparent):
            # Deleted first: a twin that reads it later finds it gone or waits for this commit.
            if not Reaction.objects.filter(pk=owed.pk).delete()[0]:
                return
            _by_name[owed.reaction].handler(schema.parse(about.name, about.body), about)
    except Exception as error:
        connection.ensure_connection()
        if isinstance(error, OperationalError | InterfaceError) and not connection.is_usable():
            raise  # not reaching the database does not count
        logger.exception("%s failed on %s", owed.reaction, about.name, extra=about.to_log())
        failed = owed.attempts + 1
        Reaction.objects.filter(pk=owed.pk).update(
            attempts=F("attempts") + 1,
            last_error=repr(error)[:2000],
            not_before=later(failed),
            nudged_at=None,  # the sweep nudges again as soon as it is due
            parked_at=Now() if failed >= MAX_ATTEMPTS else None,
        )
