"""The time from an event's commit to its confirm: idle, and at half of the maximum load."""

import time
from itertools import count

import pytest

from events.models import Publication
from tests.benchmarks.measure import Line, percentile, table
from tests.broker.conftest import process, wait_until
from tests.broker.test_processes import published
from tests.events.sample_events import created, happen

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("broker", "awake", "deployed"),
]
COUNT, WARM_UP = 300, 20
FULL, HALF = 2_000, 3_000  # commits
PAUSE = 0.05  # seconds between two commits; polling for the confirm would be load
numbers = count()


def commit() -> tuple[str, float]:
    """Record an event in a stream of its own; return the stream and the time of the commit."""
    stream = f"cart_{next(numbers)}"
    happen(stream, created(stream))
    return stream, time.time()


def took(committed: dict[str, float]) -> list[float]:
    """Return the milliseconds after which each event was confirmed."""
    wait_until(lambda: published_of(committed) == len(committed), "not published")
    confirmed = Publication.objects.filter(event__stream__in=committed)
    moments = confirmed.values_list("event__stream", "published_at")
    return [(at.timestamp() - committed[stream]) * 1000 for stream, at in moments]


def published_of(committed: dict[str, float]) -> int:
    return Publication.objects.filter(event__stream__in=committed).count()


def test_idle():
    """With the workers as deployed; both times are of the same clock."""
    with process("-m", "config.workers") as running:
        for n in range(WARM_UP):
            commit()
            wait_until(published(n + 1), "not published")
        committed = {}
        for _ in range(COUNT):
            stream, at = commit()
            committed[stream] = at
            time.sleep(PAUSE)  # so that the service is idle
        late = took(committed)
        running.terminate()
        running.wait()
    for percent, target in ((50, 8), (99, 40)):
        value = percentile(late, percent)
        what = f"commit to confirm, idle, p{percent}, in ms"
        table.append(Line(what, f"{value:.1f}", f"≤ {target}", value <= target))


def test_half_load():
    """At half of the commits a second that this process and the worker reach without a pause."""
    with process("-m", "config.workers") as running:
        commit()
        wait_until(published(1), "not published")
        started = time.perf_counter()
        for _ in range(FULL):
            commit()
        wait_until(published(1 + FULL), "not published")
        full = FULL / (time.perf_counter() - started)
        committed = {}
        started = time.perf_counter()
        for n in range(HALF):
            time.sleep(max(0, started + n * 2 / full - time.perf_counter()))  # half load
            stream, at = commit()
            committed[stream] = at
        late = took(committed)
        running.terminate()
        running.wait()
    for percent in (50, 99):
        what = f"commit to confirm, at {full / 2:.0f} commits a second, p{percent}, in ms"
        table.append(Line(what, f"{percentile(late, percent):.1f}"))
