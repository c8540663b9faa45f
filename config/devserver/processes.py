"""Web server, workers and scheduler as threads of one process. Each ends with its block."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from celery import Celery
from celery.beat import Service
from celery.worker import WorkController, state
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from kombu.exceptions import OperationalError

from config.celery import Scheduler

HOST = "127.0.0.1"
# Two workers, so that events do not wait for mail, documents or other systems.
QUEUES = (
    ("events", "backlog", "reactions", "default"),
    ("gateways", "carriers", "mail", "documents"),
)
THREADS = 4  # of each worker
STOP_TIMEOUT = 2.0  # seconds, for the workers to finish their tasks


class QuietHandler(WSGIRequestHandler):
    """Logs no requests: the demo client prints them."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def bind(port: int) -> ThreadedWSGIServer:
    """Listen on a port; `web` answers the connections. Raises OSError, OverflowError."""
    return ThreadedWSGIServer((HOST, port), QuietHandler)


@contextmanager
def web(server: ThreadedWSGIServer) -> Iterator[None]:
    """Serve the API, the admin and their static files."""
    # Set here, because starting the worker configures logging again.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    server.set_app(StaticFilesHandler(WSGIHandler()))
    thread = threading.Thread(target=server.serve_forever, args=[0.1], name="web", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()


@contextmanager
def workers(app: Celery) -> Iterator[None]:
    """Run Celery's workers, without their command, which would take over signals and logging."""
    threads = []
    for names in QUEUES:
        queues = [f"{settings.EVENTS_QUEUE_PREFIX}{name}" for name in names]
        # A worker selects its queues in its application, so each has one of its own.
        own = Celery(app.main, set_as_current=False)
        own.config_from_object("django.conf:settings", namespace="CELERY")
        controller = WorkController(
            app=own,
            hostname=f"{names[0]}@localhost",
            queues=queues,
            pool="threads",
            concurrency=THREADS,
        )
        thread = threading.Thread(target=controller.start, name="worker", daemon=True)
        thread.start()
        threads.append((thread, queues[0]))
    try:
        yield
    finally:
        state.should_stop = 0  # type: ignore[assignment]  # the exit code
        # A worker checks this between messages, takes one more, and waits two seconds for each.
        with suppress(OperationalError):
            for _, queue in threads * 2:
                app.send_task("events.tasks.sweep", queue=queue)
        deadline = time.monotonic() + STOP_TIMEOUT
        for thread, _ in threads:
            thread.join(max(0, deadline - time.monotonic()))


@contextmanager
def beat(app: Celery) -> Iterator[None]:
    """Send periodic tasks on schedule. Tasks that were due while this did not run are skipped."""
    service = Service(app, max_interval=1, scheduler_cls=Scheduler)
    threading.Thread(target=service.start, name="beat", daemon=True).start()
    try:
        yield
    finally:
        service.stop()
