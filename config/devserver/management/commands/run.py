import fcntl
import logging
import os
import signal
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connection

from config.api import tokens
from config.celery import app
from config.devserver import demo, operators, processes
from config.devserver.demo_client import API, DemoClient, DemoFailed
from events.operations import console
from events.operations.console import BOLD
from orders.models import Policy

# What Inventory needs to keep its stock by events alone, as in compose.yaml.
CONSUMER_QUEUES = {
    "inventory_order_consumer": [
        "order.reserved",
        "order.backorder_reserved",
        "order.reservation_extended",
        "order.units_written_off",
        "order.units_reopened",
        "order.units_recovered",
        "fulfillment.units_moved",
    ]
}


class Command(BaseCommand):
    help = "Run web server, worker and scheduler in one process on SQLite, with a short demo."
    requires_system_checks = ()  # they run later, after the errors that have a message of their own

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="start without the demo")
        parser.add_argument("--port", type=int, default=8000, help="0 takes a free port")

    def handle(self, *args: Any, port: int, no_demo: bool, **options: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        try:
            self._run(port, no_demo, console.wants_color(self.stdout) and not options["no_color"])
        except KeyboardInterrupt:
            self.stdout.write("\nStopped. The next run continues with the same data.")

    def _run(self, port: int, no_demo: bool, color: bool) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "`manage.py run` is for development and needs DEBUG=true. "
                "For a deployment, see docs/operations/README.md."
            )
        for noisy in ("access", "celery", "kombu"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        settings.EVENTS_CONSUMER_QUEUES = settings.EVENTS_CONSUMER_QUEUES or CONSUMER_QUEUES
        directory = _directory()
        with _exclusive(directory), _listening(port) as server:
            self.check()
            call_command("migrate", verbosity=0, interactive=False)
            password = operators.get_or_create(directory)
            url = settings.PUBLIC_URL = f"http://localhost:{server.server_port}"
            rules = {"reservation": Policy.Reservation.REQUIRED}
            Policy.objects.get_or_create(pk=demo.ORGANIZATION, defaults=rules)
            token = tokens.issue(
                organization_id=demo.ORGANIZATION,
                subject="user_demo",
                scope="*",
                lifetime=timedelta(days=30),
            )
            client = DemoClient(
                self.stdout,
                url=url,
                organization_id=demo.ORGANIZATION,
                token=token,
                color=color,
            )
            with (
                client.subscribed(),
                processes.workers(app),
                processes.beat(app),
                processes.web(server),
            ):
                client.print(f"Order Service is running on {url}", sgr=BOLD)
                client.print(
                    "Events are printed when they are published: UTC, name, stream #number, data."
                )
                if not no_demo:
                    _run_demo(client)
                _print_next_steps(client, url, password)
                if not no_demo:
                    client.print_summary()
                while True:
                    client.print_next()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Stop the run. Later signals are ignored, so that they cannot interrupt the shutdown."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _directory() -> Path:
    """Return the directory of the database; create it, and check that it is writable."""
    if connection.vendor != "sqlite":
        raise CommandError(
            "`manage.py run` needs SQLite, but DATABASE_URL is a database server. To use "
            "the server, start web, worker and scheduler: see docs/operations/README.md."
        )
    directory = Path(settings.DATABASES["default"]["NAME"]).parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise CommandError(f"Cannot write to {directory}: {error.strerror}.") from error
    return directory


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Refuse a second run on the same SQLite file: the two would publish each other's events."""
    with open(directory / "run.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                f"Another run uses the data in {directory}. Stop it first."
            ) from error
        yield


@contextmanager
def _listening(port: int) -> Iterator[ThreadedWSGIServer]:
    try:
        server = processes.bind(port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise CommandError(
            f"Cannot listen on port {port}: {why}. Try make run ARGS='--port {port % 60000 + 1}'"
        ) from error
    with server:
        yield server


def _run_demo(client: DemoClient) -> None:
    try:
        demo.run(client)
    except DemoFailed as error:
        client.print(f"\nThe demo stopped. {error}", sgr=BOLD)


def _print_next_steps(client: DemoClient, url: str, password: str | None) -> None:
    python = os.path.relpath(sys.executable)
    login = f"password {password}" if password else "with the password that you set"
    client.print()
    client.print("What to try next", sgr=BOLD)
    for line in (
        f"Admin    {url}/admin/ as {operators.USERNAME}, {login}",
        f"API      {url}/api/docs/ lists every operation, with a form to send it. With curl:",
        f"         TOKEN=$(DEBUG=true {python} manage.py issue_token"
        f" --organization {demo.ORGANIZATION} --subject user_me --scope '*')",
        f'         curl -H "Authorization: Bearer $TOKEN" {url}{API}/orders',
        f"Catalog  {url}{API}/events/catalog/ explains every event",
        f"Events   are printed here; with RabbitMQ, by {python} manage.py tail_events",
        "Stop     with Ctrl-C. The data stays; make run ARGS=--no-demo starts without the demo.",
    ):
        client.print(f"    {line}")
