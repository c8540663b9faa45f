"""Retry delays with exponential back-off."""

import random
from datetime import timedelta

from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

SHORTEST, LONGEST = timedelta(seconds=0.1), timedelta(seconds=30)


def back_off(failures: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """Return the delay after so many failures: it doubles each time, up to a limit."""
    return min(longest, first * (1 << min(failures, 16)))


def seconds(failures: int) -> float:
    """Return the delay before a retry of our own servers: 0.1 s to 30 s, with jitter."""
    delay = back_off(failures, first=SHORTEST, longest=LONGEST)
    return delay.total_seconds() * random.uniform(0.5, 1.0)


def next_attempt(failures: int) -> CombinedExpression:
    """Return the moment of the next attempt as SQL, so that the database's clock decides."""
    return Now() + timedelta(seconds=seconds(failures))
