"""Web server, worker and scheduler as threads of one process. Each ends with its block."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from celery import Celery
from celery.beat import Scheduler, Service
from celery.worker import WorkController, state
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from kombu.exceptions import OperationalError

HOST = "127.0.0.1"
THREADS = 4  # of the worker
STOP_TIMEOUT = 2.0  # seconds, for the worker to finish its tasks


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
def worker(app: Celery) -> Iterator[None]:
    """Run Celery's worker, without its command, which would take over signals and logging."""
    controller = WorkController(
        app=app,
        pool="threads",
        concurrency=THREADS,
        without_heartbeat=True,
        without_gossip=True,
        without_mingle=True,
    )
    thread = threading.Thread(target=controller.start, name="worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        state.should_stop = 0  # type: ignore[assignment]  # the exit code
        # The worker checks this between messages, takes one more, and waits two seconds for each.
        with suppress(OperationalError):
            for _ in range(2):
                app.send_task("events.tasks.sweep")
        thread.join(STOP_TIMEOUT)


@contextmanager
def beat(app: Celery) -> Iterator[None]:
    """Send periodic tasks on schedule. Tasks that were due while this did not run are skipped."""
    service = Service(app, max_interval=1, scheduler_cls=Scheduler)
    threading.Thread(target=service.start, name="beat", daemon=True).start()
    try:
        yield
    finally:
        service.stop()
