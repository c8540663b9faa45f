"""A command and all its consequences: one transaction, in which every row is read once.

A row that is locked is held until the transaction ends. No other transaction can change it in the
meantime, so a second read returns the same object, with all changes that were made to it.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast

from django.db import connection, models, transaction


class Row(Protocol):
    """A row that can be held."""

    pk: str

    def mark_outdated(self) -> None:
        """Refuse further changes: what was changed in memory is rolled back in the database."""


M = TypeVar("M", bound=models.Model)
EVERYTHING = models.Q()  # what a caller may see that is no client
_thread = threading.local()  # .rows, by model and id; .complete, see `hold_all`


@contextmanager
def unit_of_work(*, savepoint: bool = True) -> Iterator[None]:
    """Begin a transaction, or join the one that a caller has begun with this.

    A block that joins takes no savepoint: what it refuses is refused as a whole, unless the caller
    has taken a `savepoint`. `savepoint` is that of `transaction.atomic`.
    """
    if _rows() is None:
        _thread.rows, _thread.complete = {}, set()
        try:
            with transaction.atomic(savepoint=savepoint):
                yield
        finally:
            _thread.rows = None
        return
    try:
        yield
    except BaseException:
        transaction.set_rollback(True)
        raise


@contextmanager
def savepoint() -> Iterator[None]:
    """Take a savepoint. If it is rolled back, nothing is held any more."""
    try:
        with transaction.atomic():
            yield
            is_refused = connection.needs_rollback
    except BaseException:
        _forget()
        raise
    if is_refused:
        _forget()


def is_begun() -> bool:
    """Return whether a unit of work has begun."""
    return _rows() is not None


def held(model: type[M], pk: str) -> M | None:
    """Return the row, if the unit of work holds it."""
    return cast("M | None", (_rows() or {}).get((model, pk)))


def all_held(model: type[M]) -> list[M]:
    """Return the rows of a model that the unit of work holds."""
    return [cast(M, row) for (of, _), row in (_rows() or {}).items() if of is model]


def hold(row: M) -> M:
    """Hold a row that is locked or new, and return it.

    Outside a unit of work nothing is held. Raises TypeError if another copy of the row is held.
    """
    if (rows := _rows()) is not None:
        known: object = rows.setdefault((type(row), row.pk), cast(Row, row))
        if known is not row:
            raise TypeError(f"{row.pk} is held already: change that object.")
    return row


def same(rows: Iterable[M]) -> list[M]:
    """Hold rows that are locked; of those that are held already, return the objects held."""
    return [held(type(row), row.pk) or hold(row) for row in rows]


def hold_all(model: type[models.Model] | None, owner: str) -> None:
    """Remember that all rows of the model that belong to the owner are held, also new ones.

    Without a model, those of all models: a new owner has no others.
    """
    if _rows() is not None:
        _thread.complete.add((model, owner))


def holds_all(model: type[models.Model], owner: str) -> bool:
    """Return whether the rows of the model that belong to the owner are all held."""
    return _rows() is not None and not _thread.complete.isdisjoint([(model, owner), (None, owner)])


def _forget() -> None:
    if rows := _rows():
        for row in rows.values():
            row.mark_outdated()
        rows.clear()
        _thread.complete.clear()


def _rows() -> dict[tuple[type, str], Row] | None:
    return getattr(_thread, "rows", None)
