"""When to try again: later after each failure, up to a limit."""

import random
from datetime import timedelta

from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

SHORTEST, LONGEST = timedelta(seconds=0.1), timedelta(seconds=30)


def doubled(failures: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """Return how long to wait: twice as long each time, up to a limit."""
    return min(longest, first * (1 << min(failures, 16)))


def seconds(failures: int) -> float:
    """Return how long to wait for a server of ours: from 0.1 s up to 30 s, and jittered."""
    wait = doubled(failures, first=SHORTEST, longest=LONGEST)
    return wait.total_seconds() * random.uniform(0.5, 1.0)


def later(failures: int) -> CombinedExpression:
    """Return the moment to try again, for an UPDATE: no worker's clock has a say in it."""
    return Now() + timedelta(seconds=seconds(failures))
