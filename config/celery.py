"""The Celery application of workers and beat."""

import logging
import os
import sys
from typing import Any

from celery import Celery, Task, beat
from celery.signals import (
    setup_logging,
    task_postrun,
    worker_init,
    worker_process_shutdown,
    worker_ready,
)
from celery.worker.consumer import Consumer

from config import database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

MAX_RECONNECT_DELAY = 5  # seconds between two attempts of a worker to reach its broker

app = Celery("order-service")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**kwargs: object) -> None:
    """Do nothing. A receiver of this signal keeps Celery from replacing Django's logging."""


@worker_init.connect
def limit_waiting(**kwargs: object) -> None:
    """Give the worker's connections the timeouts of a worker."""
    database.use_timeouts("worker")


@worker_init.connect
def check_settings(**kwargs: object) -> None:
    """Exit if the settings would lose events. Celery runs the system checks and ignores errors."""
    from django.core.management.base import BaseCommand, SystemCheckError

    try:
        BaseCommand().check(tags=["events"])
    except SystemCheckError as error:
        sys.exit(str(error))


@worker_ready.connect
def declare_topology(**kwargs: object) -> None:
    """Declare the consumers' queues when a worker starts."""
    from events.delivery import broker

    try:
        broker.declare_topology()
    except broker.Unavailable as error:
        # The relay declares it too when it connects.
        logging.getLogger(__name__).warning("Topology not declared: %s", error)


@worker_ready.connect
def serve_metrics(**kwargs: object) -> None:
    """Serve the metrics of workers on METRICS_PORT, if it is set."""
    from django.conf import settings

    from events.operations import metrics

    if settings.METRICS_PORT:
        metrics.serve(settings.METRICS_PORT)


@task_postrun.connect
def return_connection(sender: Task[..., Any], **kwargs: object) -> None:
    """Return the connection to the pool, as after a request. Celery would close the pool."""
    from django.db import close_old_connections

    if not sender.request.is_eager:
        close_old_connections()


@worker_process_shutdown.connect
def forget_process(pid: int, **kwargs: object) -> None:
    """Remove the gauges of a process that has ended; its counters stay."""
    from events.operations import metrics

    metrics.forget(pid)


class WorkerConsumer(Consumer):
    """Celery's consumer of the task queues, without the exchanges over which workers talk.

    So a worker needs no rights to them. By default it waits up to 30 s between attempts to connect.
    """

    def __init__(
        self, on_task_request: Any, *, worker_options: dict[str, Any], **kwargs: Any
    ) -> None:
        silent = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        super().__init__(on_task_request, worker_options=worker_options | silent, **kwargs)

    def ensure_connected(self, conn: Any) -> Any:
        """Wait until there is a connection."""
        ensure = conn.ensure_connection

        def ensure_soon(*args: Any, **kwargs: Any) -> Any:
            return ensure(*args, interval_start=1, interval_max=MAX_RECONNECT_DELAY, **kwargs)

        conn.ensure_connection = ensure_soon
        return super().ensure_connected(conn)


class Scheduler(beat.Scheduler):
    """Beat's scheduler, in memory: a file would need a writable directory.

    Celery's wakes up ten milliseconds before a task is due, and is busy until then.
    """

    def adjust(self, n: int, drift: float = 0.001) -> float:
        """Return in how many seconds to wake up for a task that is due in `n` seconds."""
        return super().adjust(n, drift)
