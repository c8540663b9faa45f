"""Work on the log as a whole, each run with an audit entry that shows its progress and result."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from django.db import connection, transaction
from django.utils import timezone

from config.core import request_context
from config.core.exceptions import DomainError
from events.models import AuditEntry
from events.operations import reconcile, replay

# What a worker can run for an operator, by the entry's action. It returns the entry's result.
WORK: dict[str, Callable[[AuditEntry], str]] = {
    "reconcile_events": lambda entry: reconcile.reconcile().text,
    "replay_events": lambda entry: replay.replay(
        entry.id, report=lambda text: report(entry, text), **entry.arguments
    ),
}


@contextmanager
def recorded(action: str, arguments: Mapping[str, object]) -> Iterator[AuditEntry]:
    """Write an entry before the block, and complete it with its `result` or the error afterwards.

    Must not run inside a transaction: the entry is visible while the work goes on.
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


def report(entry: AuditEntry, progress: str) -> None:
    """Save the progress as the entry's result so far."""
    entry.result = progress
    entry.save(update_fields=["result"])


def request(action: str, arguments: Mapping[str, object]) -> AuditEntry:
    """Have a worker run the action after the commit."""
    return AuditEntry.objects.create(
        actor=request_context.current().actor, action=action, arguments=arguments
    )


def run_requested(entry_id: str) -> None:
    """Run the work of a requested entry, unless another worker has begun it."""
    waiting = AuditEntry.objects.filter(pk=entry_id, begun_at=None)
    if not waiting.update(begun_at=timezone.now()):
        return
    entry = AuditEntry.objects.get(pk=entry_id)
    with suppress(DomainError), _completed(entry):
        entry.result = WORK[entry.action](entry)


@contextmanager
def _completed(entry: AuditEntry) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        connection.close_if_unusable_or_obsolete()  # the error may be a lost connection
        entry.result = f"{entry.result} {str(error) or type(error).__name__}".strip()
        raise
    finally:
        entry.finished_at = timezone.now()
        entry.save(update_fields=["finished_at", "result"])
