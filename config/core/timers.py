"""Timers: what is due, row by row, each in a transaction of its own."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

logger = logging.getLogger(__name__)

AT_ONCE = 5_000  # rows in one run; the next run goes on


def moment(now: str | None) -> datetime:
    """Return the time that a timer is told, as ISO 8601, or else the clock's."""
    return datetime.fromisoformat(now) if now else timezone.now()


def for_each(due: QuerySet[Any], act: Callable[[Any], None]) -> int:
    """Lock each aggregate that is due, call `act` with it, save it; return how many were.

    One that somebody is at work on is left for the next run. One that fails is logged and stays
    due: it must not keep the others waiting.
    """
    done = 0
    for row_id in list(due.prefetch_related(None).values_list("pk", flat=True)[:AT_ONCE]):
        try:
            done += _do(due, row_id, act)
        except (InterfaceError, OperationalError):
            raise  # the database is away, for the others too
        except Exception:
            logger.exception("A timer failed on %s", row_id)
    return done


@transaction.atomic
def _do(due: QuerySet[Any], row_id: str, act: Callable[[Any], None]) -> bool:
    free = due.model.objects.select_for_update(no_key=True, skip_locked=True)
    if not free.filter(pk=row_id).values_list("pk").first():
        return False
    # A statement of its own: the one that locks does not see what its predecessor did elsewhere.
    aggregate = due.filter(pk=row_id).first()
    if aggregate is None:
        return False
    act(aggregate)
    aggregate.save()
    return True
