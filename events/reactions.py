"""Reactions: what a context does about another context's event, exactly once and in order."""

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
from config.core.retry import next_attempt
from events import schema
from events.models import EventRecord, Reaction

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 10
Handler = Callable[[Any, EventRecord], None]  # each handler takes the payload of its own event


@dataclass(frozen=True)
class Registered:
    """A function that reacts to an event, and the context that it belongs to."""

    name: str
    context: str
    handler: Handler


_by_event: defaultdict[str, list[Registered]] = defaultdict(list)
_by_name: dict[str, Registered] = {}


def reacts_to(event: type[schema.Event]) -> Callable[[Handler], Handler]:
    """Register `handler(event, about)`: the typed payload, and its row in the log.

    The handler runs in a transaction of its own after the event was committed, once, and after all
    earlier reactions of its context to the same stream. It must not call external services.
    """

    def register(handler: Handler) -> Handler:
        context = handler.__module__.partition(".")[0]
        reaction = Registered(f"{context}.{handler.__name__}", context, handler)
        _by_event[event.name].append(reaction)
        _by_name[reaction.name] = reaction
        return handler

    return register


def to(event_name: str) -> list[Registered]:
    """Return the reactions to an event."""
    return _by_event[event_name]


class ReactionsPending(Conflict):
    """A reaction to an earlier event of this order has not run yet. Retry after a moment."""

    code = "not_settled"
    example = (
        "A recent event of order_01JCZ5B2QH8M3T6R9W1K4X7V0B has not been processed yet. "
        "Try again in a moment."
    )
    wait = 1


def expect_none_pending(stream: str, context: str) -> None:
    """Raise ReactionsPending while reactions of the context to events of the stream are pending.

    The caller must hold the stream's lock, so that no new events can be appended.
    """
    if Reaction.objects.filter(stream=stream, context=context).exists():
        raise ReactionsPending(
            f"A recent event of {stream} has not been processed yet. Try again in a moment."
        )


def run_pending(stream: str, context: str) -> None:
    """Run the pending reactions of a context to the events of a stream, oldest first.

    If another worker holds the lock, it runs them: it looks again after it has released the lock,
    so rows that were committed in the meantime are not missed.
    """
    while True:
        with try_lock(f"react:{stream}:{context}") as acquired:
            if not acquired:
                return
            if reaction := _oldest_due(stream, context):
                _run(reaction)
        if not _oldest_due(stream, context):
            return


def _oldest_due(stream: str, context: str) -> Reaction | None:
    """Return the oldest pending row if it is due. While it is not, the later ones wait too."""
    pending = Reaction.objects.filter(stream=stream, context=context)
    oldest = pending.select_related("event").annotate(now=Now()).order_by("id").first()
    if oldest is None or oldest.parked_at or (oldest.not_before and oldest.not_before > oldest.now):
        return None
    return oldest


def _run(row: Reaction) -> None:
    about = row.event
    try:
        with transaction.atomic(), request_context.use(traceparent=about.traceparent):
            # Deleted first: a second worker that has read the row waits here, or finds it gone.
            if not Reaction.objects.filter(pk=row.pk).delete()[0]:
                return
            _by_name[row.reaction].handler(schema.parse(about.name, about.body), about)
    except Exception as error:
        connection.ensure_connection()
        if isinstance(error, OperationalError | InterfaceError) and not connection.is_usable():
            raise  # a lost database connection is no failure of the reaction
        logger.exception("%s failed on %s", row.reaction, about.name, extra=about.to_log())
        failed = row.attempts + 1
        Reaction.objects.filter(pk=row.pk).update(
            attempts=F("attempts") + 1,
            last_error=repr(error)[:2000],
            not_before=next_attempt(failed),
            notified_at=None,  # so that the sweep enqueues its task as soon as it is due
            parked_at=Now() if failed >= MAX_ATTEMPTS else None,
        )
