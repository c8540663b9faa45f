"""What somebody decides about owed work that does not succeed: try it again, or give it up.

Each decision is a fact of the stream that it holds, so the timeline says who took it; and an audit
entry, which stays when the stream leaves the log.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.utils import timezone
from msgspec import to_builtins

from config.core import request_context
from config.core.exceptions import Conflict, Missing
from events import outbox, schema, tasks
from events.delivery import notify
from events.models import AuditEntry, Outbox, Reaction
from events.schema import Id, event

logger = logging.getLogger(__name__)

Owed = Outbox | Reaction


class NotOwed(Missing):
    """It has succeeded, or was given up, in the meantime."""

    code = "not_owed"


class NotParked(Conflict):
    """It is still being tried."""

    code = "not_parked"


@event("event.retried", published=False)
class EventRetried(schema.Event):
    """Somebody wants it tried again at once."""

    event_id: Id
    event_name: str
    reaction: str | None  # null is the message to the broker
    retried_by: str


@event("event.discarded", published=False)
class EventDiscarded(schema.Event):
    """Somebody has given it up: it will not be sent, or reacted to."""

    event_id: Id
    event_name: str
    reaction: str | None  # null is the message to the broker
    reason: str
    discarded_by: str


def rows() -> Iterator[Owed]:
    """Return what is parked: messages, then reactions, the oldest first."""
    for model in (Outbox, Reaction):
        parked = model.objects.filter(parked_at__isnull=False).select_related("event")
        yield from parked.order_by("event")


def name(row: Owed) -> str:
    """Return what it can be found by as long as it is owed: `evt_…`, or `evt_…/<reaction>`."""
    return f"{row.event.id}/{row.reaction}" if isinstance(row, Reaction) else row.event.id


def find(name: str) -> Owed:
    """Return what is owed under a name. Raises NotOwed."""
    event_id, _, reaction = name.partition("/")
    found: Owed | None
    if reaction:
        found = Reaction.objects.filter(event__id=event_id, reaction=reaction).first()
    else:
        found = Outbox.objects.filter(event__id=event_id).first()
    if found is None:
        raise NotOwed(f"{name} is not owed: it has succeeded, was discarded, or never was.")
    return found


@transaction.atomic
def try_again(owed: Owed) -> bool:
    """Have it tried at once, and what waits behind it; return False if it is due anyway.

    Raises NotOwed.
    """
    row = _lock(owed)
    if not (row.parked_at or row.not_before):
        return False
    row.parked_at = row.not_before = None
    row.save(update_fields=["parked_at", "not_before"])
    _record(row, EventRetried(**_about(row), retried_by=request_context.current().actor))
    return True


@transaction.atomic
def discard(owed: Owed, *, reason: str) -> None:
    """Give up what is parked, and go on with what waits behind it. Raises NotOwed, NotParked."""
    row = _lock(owed)
    if not row.parked_at:
        raise NotParked("It is not parked: it will be tried again by itself.")
    logger.warning("%s is given up: %s", row, row.last_error, extra=row.event.to_log())
    fact = EventDiscarded(
        **_about(row), reason=reason, discarded_by=request_context.current().actor
    )
    _record(row, fact)
    row.delete()


def _lock(owed: Owed) -> Owed:
    rows = type(owed).objects.select_for_update(of=("self",)).select_related("event")
    row = rows.filter(pk=owed.pk).first()
    if row is None:
        raise NotOwed("It is not owed any more: it has succeeded, or was discarded.")
    return row


def _about(row: Owed) -> dict[str, Any]:
    return {
        "event_id": row.event.id,
        "event_name": row.event.name,
        "reaction": row.reaction if isinstance(row, Reaction) else None,
    }


def _record(row: Owed, fact: schema.Event) -> None:
    now = timezone.now()
    AuditEntry.objects.create(
        actor=request_context.current().actor,
        action=fact.name,
        arguments=to_builtins(fact),
        begun_at=now,
        finished_at=now,
    )
    outbox.record(
        [(fact, now)],
        organization_id=row.event.organization_id,
        stream=row.stream,
        subject=row.event.subject,
    )

    if isinstance(row, Reaction):
        notify.enqueue(tasks.react, row.stream, row.context)
    else:
        notify.enqueue(tasks.relay, row.shard)
