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
from config.devserver.stage import API, Stage, Stopped
from events.operations import console
from events.operations.console import BOLD


class Command(BaseCommand):
    help = "Run web, worker and beat in one process on SQLite, and play a short demo."
    requires_system_checks = ()  # what is wrong is said in one line, where it can be

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="only serve")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, port: int, no_demo: bool, **options: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
        try:
            self._run(port, no_demo, console.wants_colour(self.stdout) and not options["no_color"])
        except KeyboardInterrupt:
            self.stdout.write("\nEnded. Start again to go on where this left off.")

    def _run(self, port: int, no_demo: bool, colour: bool) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "`manage.py run` is for development and needs DEBUG=true. "
                "docs/operations/README.md explains the deployment."
            )
        for noisy in ("access", "celery", "kombu"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        directory = _directory()
        with _alone(directory), _bound(port) as server:
            self.check()
            call_command("migrate", verbosity=0, interactive=False)
            password = operators.ensure(directory)
            url = settings.PUBLIC_URL = f"http://localhost:{server.server_port}"
            token = tokens.issue(
                organization_id=demo.ORGANIZATION,
                subject="user_demo",
                scope="*",
                lifetime=timedelta(hours=1),
            )
            stage = Stage(self.stdout, url=url, token=token, colour=colour)
            with (
                stage.listening(),
                processes.worker(app),
                processes.beat(app),
                processes.web(server),
            ):
                stage.say(f"Order Service on {url}", sgr=BOLD)
                stage.say(
                    "Events are printed as they leave the exchange: UTC, name, stream #number."
                )
                if not no_demo:
                    _play(stage)
                _say_where_things_are(stage, url, password)
                if not no_demo:
                    stage.say_how_much_was_seen()
                while True:
                    stage.show_next()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """The first signal ends the run; another must not end the ending."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _directory() -> Path:
    """Return where the database is, made and writable."""
    if connection.vendor != "sqlite":
        raise CommandError(
            "`manage.py run` needs SQLite, and DATABASE_URL names a server. To use it, start web, "
            "worker and scheduler: docs/operations/README.md explains how."
        )
    directory = Path(settings.DATABASES["default"]["NAME"]).parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise CommandError(f"{directory} cannot be written to: {error.strerror}.") from error
    return directory


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two runs on one SQLite file would publish each other's events."""
    with open(directory / "run.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(f"It runs already, on the data in {directory}.") from error
        yield


@contextmanager
def _bound(port: int) -> Iterator[ThreadedWSGIServer]:
    try:
        server = processes.bind(port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise CommandError(
            f"Port {port} cannot be used: {why}. Try make run ARGS='--port {port % 60000 + 1}'"
        ) from error
    with server:
        yield server


def _play(stage: Stage) -> None:
    try:
        demo.play(stage)
    except Stopped as error:
        stage.say(f"\nThe demo stops here. {error}", sgr=BOLD)


def _say_where_things_are(stage: Stage, url: str, password: str | None) -> None:
    python = os.path.relpath(sys.executable)
    stage.say()
    stage.say("Where things are", sgr=BOLD)
    known = f"password {password}" if password else "with the password that you gave it"
    stage.say(f"    Admin    {url}/admin/ as {operators.USERNAME}, {known}")
    stage.say(f"    API      {url}{API}/orders, with a token of an organization:")
    stage.say(
        f"             TOKEN=$(DEBUG=true {python} manage.py issue_token"
        f" --organization {demo.ORGANIZATION} --subject user_me --scope '*')"
    )
    stage.say(f'             curl -H "Authorization: Bearer $TOKEN" {url}{API}/orders')
    stage.say(f"             {url}/api/docs/ shows every route, and lets you try them")
    stage.say(f"    Catalog  {url}{API}/events/catalog/ explains every event")
    stage.say("    Events   here, as they leave the exchange; with RabbitMQ:")
    stage.say(f"             {python} manage.py tail_events")
    stage.say("    Again    make run ARGS=--no-demo only serves; Ctrl-C ends it, the data stay")
