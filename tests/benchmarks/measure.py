"""Compares the service with a baseline, in one run on one machine."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

PAIRS = 5


@dataclass(frozen=True)
class Line:
    """A line of the table. `reached` is None where there is no target."""

    what: str
    figures: str
    target: str = ""
    reached: bool | None = None


table: list[Line] = []


def paired(ours: Callable[[], Any], bare: Callable[[], Any]) -> list[tuple[Any, Any]]:
    """Return pairs of the results of both, which take turns in going first.

    Other load on the machine then affects both. A first pair warms up and is not counted.
    """
    pairs = []
    for number in range(PAIRS + 1):
        if number % 2:
            mine, other = ours(), bare()
        else:
            other, mine = bare(), ours()
        pairs.append((mine, other))
    return pairs[1:]


def spread(values: list[float], digits: int = 2) -> str:
    """Return the median, with the minimum and the maximum in brackets."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def percentile(values: list[float], percent: int) -> float:
    """Return the value below which so many per cent of the values lie."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]
