"""Reactions: what a context does about another context's event, exactly once and in order.

A reaction runs in the transaction that records its event, so an effect directly follows its cause.
If it fails, it becomes a row that a worker retries. Deferred reactions always become rows.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from config.core import request_context
from config.core.exceptions import Conflict
from config.core.locks import is_timeout, try_lock
from config.core.retry import next_attempt
from config.core.unit_of_work import savepoint, unit_of_work
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
    deferred: bool


_by_event: defaultdict[str, list[Registered]] = defaultdict(list)
_by_name: dict[str, Registered] = {}


def reacts_to(event: type[schema.Event], *, deferred: bool = False) -> Callable[[Handler], Handler]:
    """Register `handler(event, about)`: the typed payload, and its row in the log.

    The handler runs once, in a savepoint of the transaction that records the event, under the lock
    of the order or cart. It uses the payload: the aggregate may have changed further in the same
    transaction. It suppresses the refusals that it expects, as its last act. After any other
    exception it is retried by a worker, and its context's reactions to later events of the stream
    wait. It must not call external services. A context reacts to an event with one handler.

    With `deferred`, a worker runs it after the commit. That is for what takes a lock that other
    orders wait for. A context is deferred as a whole, because its reactions run in order.
    """

    def register(handler: Handler) -> Handler:
        context = handler.__module__.partition(".")[0]
        if any(each.context == context for each in _by_event[event.name]):
            raise ValueError(f"{context} reacts to {event.name} already.")
        reaction = Registered(f"{context}.{handler.__name__}", context, handler, deferred)
        if any(each.context == context and each.deferred != deferred for each in _by_name.values()):
            raise ValueError(f"The reactions of {context} are all deferred, or none is.")
        _by_event[event.name].append(reaction)
        _by_name[reaction.name] = reaction
        return handler

    return register


def immediate(event_name: str) -> list[Registered]:
    """Return the reactions that run in the transaction that records the event."""
    return [reaction for reaction in _by_event[event_name] if not reaction.deferred]


def deferred(event_name: str) -> list[Registered]:
    """Return the reactions that a worker runs after the commit."""
    return [reaction for reaction in _by_event[event_name] if reaction.deferred]


def run_immediate(event: schema.Event, about: EventRecord, *, waiting: set[str]) -> None:
    """Run the immediate reactions to an event, each in a savepoint.

    A reaction that fails becomes a row for a worker, and so do all reactions of the contexts that
    are `waiting`, because earlier ones of theirs are pending.
    """
    at = request_context.now()
    for reaction in immediate(about.name):
        error = None
        if reaction.context not in waiting:
            error = _attempt(reaction, event, about, at)
            if error is None:
                continue
        _defer(reaction, about, error)


def _attempt(
    reaction: Registered, event: schema.Event, about: EventRecord, at: datetime
) -> Exception | None:
    try:
        with savepoint(), _context_of(about, at=at):
            reaction.handler(event, about)
    except Exception as error:
        if connection.needs_rollback:
            raise  # the connection is lost, and with it the transaction
        logger.exception("%s failed on %s", reaction.name, about.name, extra=about.to_log())
        return error
    return None


def _defer(reaction: Registered, about: EventRecord, error: Exception | None) -> None:
    Reaction.objects.create(
        event=about,
        reaction=reaction.name,
        stream=about.stream,
        context=reaction.context,
        **(_failure(1, error) if error else {}),
    )


def _context_of(about: EventRecord, *, at: datetime | None = None) -> AbstractContextManager[None]:
    """Reactions act as `system`, in the request and the trace that caused the event."""
    return request_context.use(request_id=about.request_id, traceparent=about.traceparent, at=at)


def _failure(attempts: int, error: Exception) -> dict[str, Any]:
    return {
        "attempts": attempts,
        "last_error": repr(error)[:2000],
        "not_before": next_attempt(attempts),
        "notified_at": None,  # so that the sweep enqueues its task as soon as it is due
        "parked_at": Now() if attempts >= MAX_ATTEMPTS else None,
    }


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
    pending = Reaction.objects.filter(stream=stream, context=context)
    if first := pending.order_by("event_id").first():
        advice = "An operator must retry it." if first.parked_at else "Try again in a moment."
        raise ReactionsPending(f"A recent event of {stream} has not been processed yet. {advice}")


def run_pending(stream: str) -> None:
    """Run the pending reactions to the events of a stream, the oldest of each context first.

    If another worker holds the lock, it runs them: it looks again after it has released the lock,
    so rows that were committed in the meantime are not missed.
    """
    while True:
        with try_lock(f"react:{stream}") as acquired:
            if not acquired:
                return
            rows = due().filter(stream=stream)
            if reaction := rows.select_related("event").order_by("event_id").first():
                _run(reaction)
        if not rows.exists():
            return


def due() -> QuerySet[Reaction]:
    """Return the pending rows that are neither delayed nor parked, nor behind one that is."""
    delayed = Reaction.objects.filter(
        Q(not_before__gt=Now()) | Q(parked_at__isnull=False),
        stream=OuterRef("stream"),
        context=OuterRef("context"),
        event__lte=OuterRef("event"),
    )
    return Reaction.objects.filter(~Exists(delayed))


def _run(row: Reaction) -> None:
    """Run the reaction and delete its row, in one transaction."""
    about = row.event
    with unit_of_work(savepoint=False):  # on PostgreSQL, the transaction of the lock
        try:
            # In a savepoint, which a refusal that the reaction suppresses rolls back.
            with savepoint(), _context_of(about):
                _by_name[row.reaction].handler(schema.parse(about.name, about.body), about)
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError) and (
                is_timeout(error) or not connection.is_usable()
            ):
                raise  # neither a lost connection nor a lock is a failure of the reaction
            logger.exception("%s failed on %s", row.reaction, about.name, extra=about.to_log())
            Reaction.objects.filter(pk=row.pk).update(**_failure(row.attempts + 1, error))
        else:
            if not Reaction.objects.filter(pk=row.pk).delete()[0]:
                transaction.set_rollback(True)  # an operator has discarded it in the meantime
