"""When to try again: later after each failure, up to a limit, by the database's clock."""

import random
from datetime import timedelta

from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

LONGEST = 30.0  # seconds


def seconds(failures: int) -> float:
    """Return how long to wait: doubled each time from 0.1 s, and jittered."""
    return min(LONGEST, 0.1 * 2.0 ** min(failures, 16)) * random.uniform(0.5, 1.0)


def later(failures: int) -> CombinedExpression:
    """Return the moment to try again, for an UPDATE: no worker's clock has a say in it."""
    return Now() + timedelta(seconds=seconds(failures))
