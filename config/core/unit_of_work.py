"""A command and all its consequences: one transaction, in which every row is read once.

A row that is locked is attached until the transaction ends (an identity map). No other transaction
can change it in the meantime, so a second read returns the same object, with all changes that were
made to it.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast

from django.db import connection, models, transaction


class Row(Protocol):
    """A row that can be attached."""

    pk: str

    def mark_outdated(self) -> None:
        """Refuse further changes: what was changed in memory is rolled back in the database."""


M = TypeVar("M", bound=models.Model)
EVERYTHING = models.Q()  # what a caller may see that is no client
_thread = threading.local()  # .rows, by model and id; .complete, see `attach_all`


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
    """Take a savepoint. If it is rolled back, nothing is attached any more."""
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


def attached(model: type[M], pk: str) -> M | None:
    """Return the row, if it is attached to the unit of work."""
    return cast("M | None", (_rows() or {}).get((model, pk)))


def all_attached(model: type[M]) -> list[M]:
    """Return the rows of a model that are attached to the unit of work."""
    return [cast(M, row) for (of, _), row in (_rows() or {}).items() if of is model]


def attach(row: M) -> M:
    """Attach a row that is locked or new, and return it.

    Outside a unit of work nothing is attached. Raises TypeError if another copy of the row is.
    """
    if (rows := _rows()) is not None:
        known: object = rows.setdefault((type(row), row.pk), cast(Row, row))
        if known is not row:
            raise TypeError(f"{row.pk} is attached already: change that object.")
    return row


def same(rows: Iterable[M]) -> list[M]:
    """Attach rows that are locked; of those that are attached already, return these objects."""
    return [attached(type(row), row.pk) or attach(row) for row in rows]


def attach_all(model: type[models.Model] | None, owner: str) -> None:
    """Remember that all rows of the model that belong to the owner are attached, also new ones.

    Without a model, those of all models: a new owner has no others.
    """
    if _rows() is not None:
        _thread.complete.add((model, owner))


def has_all(model: type[models.Model], owner: str) -> bool:
    """Return whether the rows of the model that belong to the owner are all attached."""
    return _rows() is not None and not _thread.complete.isdisjoint([(model, owner), (None, owner)])


def _forget() -> None:
    if rows := _rows():
        for row in rows.values():
            row.mark_outdated()
        rows.clear()
        _thread.complete.clear()


def _rows() -> dict[tuple[type, str], Row] | None:
    return getattr(_thread, "rows", None)
