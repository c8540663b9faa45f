"""The Celery application: workers and beat start from here."""

import logging
import os
from typing import Any

from celery import Celery, Task
from celery.signals import (
    beat_init,
    setup_logging,
    task_postrun,
    worker_process_shutdown,
    worker_ready,
)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("order-service")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**kwargs: object) -> None:
    """That somebody listens keeps Celery from changing what Django has set up."""


@worker_ready.connect
def declare_topology(**kwargs: object) -> None:
    """A consumer finds its queue as soon as one worker has started."""
    from events.delivery import broker

    try:
        broker.declare_topology()
    except broker.Unavailable as error:
        # The relay declares it too, whenever it connects.
        logging.getLogger(__name__).warning("Topology not declared: %s", error)


@worker_ready.connect
@beat_init.connect
def serve_metrics(**kwargs: object) -> None:
    """Where METRICS_PORT is set, whoever reaches it sees that the process runs, and how."""
    from django.conf import settings

    from events.operations import metrics

    if settings.METRICS_PORT:
        metrics.serve(settings.METRICS_PORT)


@task_postrun.connect
def give_connection_back(sender: Task[..., Any], **kwargs: object) -> None:
    """As after a request; Celery by itself ends the pool, and connecting takes half of a task."""
    from django.db import close_old_connections

    if not sender.request.is_eager:
        close_old_connections()


@worker_process_shutdown.connect
def forget_process(pid: int, **kwargs: object) -> None:
    """What a dead process counted stays counted; what it had at that moment does not."""
    from events.operations import metrics

    metrics.forget(pid)
