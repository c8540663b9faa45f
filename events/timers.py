"""Timers: what is due, row by row, each in a transaction of its own."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet

logger = logging.getLogger(__name__)

AT_ONCE = 5_000  # rows in one run; the next run goes on


def for_each(due: QuerySet[Any], work: Callable[[str], bool]) -> int:
    """Call `work(id)`, which says whether it did something, for each row; return how many did.

    A row that fails is logged and stays due: it must not keep the others waiting.
    """
    done = 0
    for row_id in list(due.values_list("pk", flat=True)[:AT_ONCE]):
        try:
            done += work(row_id)
        except (InterfaceError, OperationalError):
            raise  # the database is away, for the others too
        except Exception:
            logger.exception("%s failed on %s", work.__qualname__, row_id)
    return done
