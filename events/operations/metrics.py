"""Metrics for Prometheus.

Each process counts its own messages and failures, so every worker is scraped. Pending work is
counted in the database, so all web processes report the same numbers.
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
    "Messages by the broker's response: confirmed, nacked, returned, refused.",
    ["result"],
)
for result in ("confirmed", "nacked", "returned", "refused"):
    published.labels(result)  # exported as 0 before it happens
confirm_seconds = Histogram(
    "order_service_confirm_seconds",
    "From sending a message to the broker's confirm; one message at a time is measured.",
    buckets=_SECONDS,
)
commit_to_confirm_seconds = Histogram(
    "order_service_commit_to_confirm_seconds",
    "From recording an event to its confirm; measured for the oldest event of each batch.",
    buckets=_SECONDS,
)
blocked = Gauge(
    "order_service_broker_blocked",
    "Connections that the broker blocks: relay publishes events, nudge sends Celery tasks.",
    ["connection"],
    multiprocess_mode="livesum",
)
broker_failures = Counter(
    "order_service_broker_failures",
    "Connections that were refused, closed, or got no response; each is opened again on demand.",
    ["connection"],
)
for connection in ("relay", "nudge"):
    blocked.labels(connection)
    broker_failures.labels(connection)


class PendingWorkCollector:
    """Counts the pending work when the metrics are scraped."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the pending rows, the parked ones, and the age of the oldest."""
        pending = GaugeMetricFamily(
            "order_service_owed", "Pending messages and reactions.", labels=["kind"]
        )
        parked = GaugeMetricFamily(
            "order_service_parked",
            "Parked messages and reactions.",
            labels=["kind"],
        )
        oldest = GaugeMetricFamily(
            "order_service_oldest_owed_seconds",
            "Age of the oldest pending event that no parked one blocks; 0 if there is none.",
            labels=["kind"],
        )
        for kind, model, unblocked in (
            ("message", Outbox, statistics.unblocked_messages()),
            ("reaction", Reaction, statistics.unblocked_reactions()),
        ):
            rows, parked_rows = statistics.count(model)
            pending.add_metric([kind], rows)
            parked.add_metric([kind], parked_rows)
            oldest.add_metric([kind], statistics.age(unblocked))
        yield from (pending, parked, oldest)


def text() -> bytes:
    """Return the metrics of the processes on this host, and those of the database."""
    database = CollectorRegistry(auto_describe=False)
    database.register(PendingWorkCollector())
    return generate_latest(_processes()) + generate_latest(database)


def serve(port: int) -> None:
    """Serve the metrics of the processes on a port of its own."""
    start_http_server(port, registry=_processes())


def forget(pid: int) -> None:
    """Remove the gauges of a process that has ended; its counters stay."""
    if _DIRECTORY in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # where the processes of a host keep their values


def _processes() -> CollectorRegistry:
    if _DIRECTORY not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together
