"""Timers: they change the rows that are due, each in a transaction of its own."""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from celery import current_task
from django.db import InterfaceError, OperationalError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from config.core.locks import is_timeout
from config.core.unit_of_work import attach, unit_of_work

logger = logging.getLogger(__name__)

BATCH_SIZE = 5_000  # rows in one run
Work = TypeVar("Work", bound=Callable[..., Any])

_when_due: list[tuple[Callable[..., Any], Callable[[Now], QuerySet[Any]]]] = []


def when_due(rows: Callable[[Now], QuerySet[Any]]) -> Callable[[Work], Work]:
    """Register work that is to begin soon after one of the rows is due; `rows` gets the time."""

    def register(work: Work) -> Work:
        _when_due.append((work, rows))
        return work

    return register


def due() -> list[Callable[..., Any]]:
    """Return which of the registered work is due, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(*_statement())
        return [_when_due[n][0] for (n,) in cursor.fetchall()]


@cache
def _statement() -> tuple[str, list[Any]]:
    # Once: Django takes three times as long to write it as all else of a sweep takes.
    asked = [rows(Now()).query.exists().sql_with_params() for _, rows in _when_due]
    each = [f"SELECT {n} WHERE EXISTS ({sql})" for n, (sql, _) in enumerate(asked)]
    return " UNION ALL ".join(each), [value for _, values in asked for value in values]


def moment(now: str | None) -> datetime:
    """Return the moment that a timer is called with, in ISO 8601, or the current time.

    Only a direct call may give one. Raises TypeError if a message of the broker does: otherwise its
    publisher could let all orders expire.
    """
    if now is None:
        return timezone.now()
    if current_task and not current_task.request.called_directly:
        raise TypeError("A message cannot set the time of a timer: call the function instead.")
    return datetime.fromisoformat(now)


def for_each(due: QuerySet[Any], act: Callable[[Any], None]) -> int:
    """Lock each aggregate that is due, call `act` with it, and save it; return their number.

    An aggregate that is locked is left for the next run. One that fails is logged and stays due,
    so that it does not stop the others.
    """
    done = 0
    for row_id in list(due.prefetch_related(None).values_list("pk", flat=True)[:BATCH_SIZE]):
        try:
            done += _do(due, row_id, act)
        except Exception as error:
            if isinstance(error, InterfaceError | OperationalError) and not is_timeout(error):
                raise  # no database, so the others would fail too
            logger.exception("A timer failed on %s", row_id)
    return done


@unit_of_work()
def _do(due: QuerySet[Any], row_id: str, act: Callable[[Any], None]) -> bool:
    free = due.model.objects.select_for_update(no_key=True, skip_locked=True)
    if not free.filter(pk=row_id).values_list("pk").first():
        return False
    # A second statement: the one that locks does not see what the lock's last holder committed.
    aggregate = due.filter(pk=row_id).first()
    if aggregate is None:
        return False
    act(attach(aggregate))
    aggregate.save()
    return True
