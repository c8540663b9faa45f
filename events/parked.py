"""What somebody decides about owed work that does not succeed: try it again, or give it up.

Each decision is a fact of the stream that it holds, so the timeline says who took it.
"""

import logging
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from events import origin, outbox, schema, wake
from events.errors import Conflict, Missing
from events.models import Outbox, Reaction
from events.schema import Id, event

logger = logging.getLogger(__name__)

Owed = TypeVar("Owed", Outbox, Reaction)


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
    _record(row, EventRetried(**_about(row), retried_by=origin.current().actor))
    return True


@transaction.atomic
def discard(owed: Owed, *, reason: str) -> None:
    """Give up what is parked, and go on with what waits behind it. Raises NotOwed, NotParked."""
    row = _lock(owed)
    if not row.parked_at:
        raise NotParked("It is not parked: it will be tried again by itself.")
    logger.warning("%s is given up: %s", row, row.last_error, extra=row.event.to_log())
    fact = EventDiscarded(**_about(row), reason=reason, discarded_by=origin.current().actor)
    _record(row, fact)
    row.delete()


def _lock(owed: Owed) -> Owed:
    rows = type(owed).objects.select_for_update(of=("self",)).select_related("event")
    row = rows.filter(pk=owed.pk).first()
    if row is None:
        raise NotOwed("It is not owed any more: it has succeeded, or was discarded.")
    return row


def _about(row: Outbox | Reaction) -> dict[str, Any]:
    return {
        "event_id": row.event.id,
        "event_name": row.event.name,
        "reaction": row.reaction if isinstance(row, Reaction) else None,
    }


def _record(row: Outbox | Reaction, fact: schema.Event) -> None:
    outbox.record(
        [(fact, timezone.now())],
        organization_id=row.event.organization_id,
        stream=row.stream,
        subject=row.event.subject,
    )

    def nudge() -> None:
        if isinstance(row, Reaction):
            wake.react(row.stream, row.context)
        else:
            wake.relay(row.shard)

    transaction.on_commit(nudge, robust=True)
