"""What an operator decides about pending work that keeps failing: retry it, or discard it.

Each decision is an event of the stream, so the timeline shows who took it, and an audit entry,
which stays when the stream is removed from the log.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from msgspec import to_builtins

from config.core import request_context
from config.core.exceptions import Conflict, Missing
from events import outbox, schema, tasks
from events.delivery import notify
from events.models import AuditEntry, Outbox, Reaction
from events.schema import Id, event

logger = logging.getLogger(__name__)


class NotPending(Missing):
    """The message or reaction is not pending: it has succeeded, or was discarded."""

    code = "not_pending"


class NotParked(Conflict):
    """The message or reaction is not parked: it is still retried automatically."""

    code = "not_parked"


class Decision(schema.Event):
    """What an operator decided about a pending message or reaction."""

    event_id: Id
    event_name: str
    reaction: str | None  # null: the message to the broker


@event("event.retried", published=False)
class EventRetried(Decision):
    """An operator retried a message or a reaction."""

    retried_by: str


@event("event.discarded", published=False)
class EventDiscarded(Decision):
    """An operator discarded a message, which is never sent, or a reaction, which never runs."""

    reason: str
    discarded_by: str


def rows() -> Iterator[Outbox | Reaction]:
    """Yield the parked messages, then the parked reactions, the oldest first."""
    for model in (Outbox, Reaction):
        parked = model.objects.filter(parked_at__isnull=False).select_related("event")
        yield from parked.order_by("event")


def name(row: Outbox | Reaction) -> str:
    """Return the name by which `find` finds it: `evt_…`, or `evt_…/<reaction>`."""
    return f"{row.event.id}/{row.reaction}" if isinstance(row, Reaction) else row.event.id


def find(name: str) -> Outbox | Reaction:
    """Return the pending message or reaction of this name. Raises NotPending."""
    event_id, _, reaction = name.partition("/")
    rows: QuerySet[Any] = Outbox.objects.all()
    if reaction:
        rows = Reaction.objects.filter(reaction=reaction)
    found: Outbox | Reaction | None = rows.filter(event__id=event_id).first()
    if found is None:
        raise NotPending(f"{name} is not pending: it has succeeded, was discarded, or never was.")
    return found


@transaction.atomic
def retry(*, outbox_id: int | None = None, reaction_id: int | None = None) -> bool:
    """Retry a message or a reaction now, together with those that wait behind it.

    Return False if it is due already. Raises NotPending.
    """
    row = _get_for_update(outbox_id, reaction_id)
    if not (row.parked_at or row.not_before):
        return False
    row.parked_at = row.not_before = None
    row.save(update_fields=["parked_at", "not_before"])
    _record(row, EventRetried(**_about(row), retried_by=request_context.current().actor))
    return True


@transaction.atomic
def discard(*, outbox_id: int | None = None, reaction_id: int | None = None, reason: str) -> None:
    """Discard a parked message or reaction, and continue with what waits behind it.

    Raises NotPending, NotParked.
    """
    row = _get_for_update(outbox_id, reaction_id)
    if not row.parked_at:
        raise NotParked(f"{name(row)} is not parked: it is retried automatically.")
    logger.warning("%s is discarded: %s", row, row.last_error, extra=row.event.to_log())
    actor = request_context.current().actor
    _record(row, EventDiscarded(**_about(row), reason=reason, discarded_by=actor))
    row.delete()


def _get_for_update(outbox_id: int | None, reaction_id: int | None) -> Outbox | Reaction:
    rows: QuerySet[Any] = Outbox.objects.filter(pk=outbox_id)
    if reaction_id is not None:
        rows = Reaction.objects.filter(pk=reaction_id)
    locked = rows.select_for_update(of=("self",)).select_related("event")
    row: Outbox | Reaction | None = locked.first()
    if row is None:
        raise NotPending("It is not pending any more: it has succeeded, or was discarded.")
    return row


def _about(row: Outbox | Reaction) -> dict[str, Any]:
    return {
        "event_id": row.event.id,
        "event_name": row.event.name,
        "reaction": row.reaction if isinstance(row, Reaction) else None,
    }


def _record(row: Outbox | Reaction, event: Decision) -> None:
    now = timezone.now()
    AuditEntry.objects.create(
        actor=request_context.current().actor,
        action=event.name,
        arguments=to_builtins(event),
        begun_at=now,
        finished_at=now,
    )
    outbox.record(
        [(event, now)],
        organization_id=row.event.organization_id,
        stream=row.stream,
        subject=row.event.subject,
    )

    if isinstance(row, Reaction):
        notify.enqueue(tasks.react, row.stream)
    else:
        notify.enqueue(tasks.relay)
