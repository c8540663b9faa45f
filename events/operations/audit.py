"""Work on the log as a whole: who wanted it, and what came of it, also of what was killed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from config.core import request_context
from config.core.exceptions import DomainError
from events.models import AuditEntry
from events.operations import reconcile, replay

# What a worker does for an operator, by action; the answer is the entry's result.
WORK: dict[str, Callable[[AuditEntry], str]] = {
    "reconcile_events": lambda entry: reconcile.reconcile().text,
    "replay_events": lambda entry: replay.replay(
        entry.id, tell=lambda text: note(entry, text), **entry.arguments
    ),
}


@contextmanager
def recorded(action: str, arguments: dict[str, Any]) -> Iterator[AuditEntry]:
    """Write that work begins, and at the end of the block its `result`, or what stopped it.

    It must not be inside a transaction: the entry is to be seen while the work goes on.
    """
    with transaction.atomic(durable=True):
        entry = AuditEntry.objects.create(
            actor=request_context.current().actor,
            action=action,
            arguments=arguments,
            begun_at=timezone.now(),
        )
    with _completed(entry):
        yield entry


def note(entry: AuditEntry, result: str) -> None:
    """Write how far it is."""
    entry.result = result
    entry.save(update_fields=["result"])


def want(action: str, arguments: dict[str, Any]) -> AuditEntry:
    """Have a worker do it as soon as this is committed."""
    return AuditEntry.objects.create(
        actor=request_context.current().actor, action=action, arguments=arguments
    )


def do_wanted(entry_id: str) -> None:
    """Do what an entry asks for, unless somebody has begun it."""
    unbegun = AuditEntry.objects.filter(pk=entry_id, begun_at=None)
    if not unbegun.update(begun_at=timezone.now()):
        return
    entry = AuditEntry.objects.get(pk=entry_id)
    with suppress(DomainError), _completed(entry):
        entry.result = WORK[entry.action](entry)


@contextmanager
def _completed(entry: AuditEntry) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        connection.close_if_unusable_or_obsolete()  # it may be the database that went away
        entry.result = f"{entry.result} {str(error) or type(error).__name__}".strip()
        raise
    finally:
        entry.finished_at = timezone.now()
        entry.save(update_fields=["finished_at", "result"])
