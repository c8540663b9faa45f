"""The Celery application: workers and beat start from here."""

import logging
import os

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("order-service")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def declare_topology(**kwargs: object) -> None:
    """A consumer finds its queue as soon as one worker has started."""
    from events import broker

    try:
        broker.declare_topology()
    except broker.Unavailable as error:
        # The relay declares it too, whenever it connects.
        logging.getLogger(__name__).warning("Topology not declared: %s", error)
