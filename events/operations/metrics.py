"""How publishing and reacting are doing, for Prometheus.

What processes count is theirs: a scrape of each worker sees it. What is owed stands in the
database, and every web process tells the same of it.
"""

import os
from collections.abc import Iterator

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from events.models import Outbox, Reaction
from events.operations import statistics

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

published = Counter(
    "order_service_events_published",
    "Messages by the broker's answer: confirmed, nacked, returned, refused.",
    ["result"],
)
for result in ("confirmed", "nacked", "returned", "refused"):
    published.labels(result)  # told as 0 before it happens
confirm_seconds = Histogram(
    "order_service_confirm_seconds",
    "From sending a message to the broker's answer; one message at a time is watched.",
    buckets=_SECONDS,
)
commit_to_confirm_seconds = Histogram(
    "order_service_commit_to_confirm_seconds",
    "From recording an event to its confirm; of the oldest event of each batch.",
    buckets=_SECONDS,
)
blocked = Gauge(
    "order_service_broker_blocked",
    "Connections that the broker has told to wait: a relay's, and those that send nudges.",
    ["connection"],
    multiprocess_mode="livesum",
)
broker_failures = Counter(
    "order_service_broker_failures",
    "Connections refused, cut or silent for too long; each is made anew when it is needed.",
    ["connection"],
)
for connection in ("relay", "nudge"):
    blocked.labels(connection)
    broker_failures.labels(connection)


class Owed:
    """What the small tables hold, counted when somebody asks."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield how much is owed, since when, and how much of it is parked."""
        owed = GaugeMetricFamily(
            "order_service_owed", "Rows of work that are not done yet.", labels=["kind"]
        )
        parked = GaugeMetricFamily(
            "order_service_parked", "Rows of work that wait for an operator.", labels=["kind"]
        )
        oldest = GaugeMetricFamily(
            "order_service_oldest_owed_seconds",
            "Age of the oldest event that is owed and not held by a parked one; 0 if none is.",
            labels=["kind"],
        )
        for kind, model, free in (
            ("message", Outbox, statistics.messages()),
            ("reaction", Reaction, statistics.reactions()),
        ):
            rows, waiting = statistics.count(model)
            owed.add_metric([kind], rows)
            parked.add_metric([kind], waiting)
            oldest.add_metric([kind], statistics.age(free))
        yield from (owed, parked, oldest)


def text() -> bytes:
    """Return everything that this process, and those it counts together with, can tell."""
    owed = CollectorRegistry(auto_describe=False)
    owed.register(Owed())
    return generate_latest(_processes()) + generate_latest(owed)


def serve(port: int) -> None:
    """Answer with what the processes count, on a port of its own."""
    start_http_server(port, registry=_processes())


def forget(pid: int) -> None:
    """A process has ended: what it had at that moment counts no more."""
    if _DIRECTORY in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # where processes that count together keep their files


def _processes() -> CollectorRegistry:
    if _DIRECTORY not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together
