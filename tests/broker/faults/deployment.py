"""Workers, beat and producers as separate processes, on a broker and a database."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from events.models import Outbox, Publication, Reaction
from payments.models import Payment
from tests.broker.conftest import CELERY, environment, publish, wait_until

MARGIN = 20  # messages that may be recorded while they are counted
Process = subprocess.Popen[bytes]


class Deployment:
    """The processes of a test, which end with it; `changes` are to their environment."""

    def __init__(self, **changes: str) -> None:
        self.changes = changes
        self.workers: list[Process] = []
        self.producers: list[Process] = []
        self.at_risk = 0  # messages that faults so far may have sent twice
        self._all: list[Process] = []

    def _start(self, *arguments: str) -> Process:
        url = settings.EVENTS_BROKER_URL
        database = connection.settings_dict
        running = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(
                DJANGO_SETTINGS_MODULE="config.settings",
                CELERY_BROKER_URL=url,
                EVENTS_BROKER_URL=url,
                DATABASE_URL=f"postgres://postgres@{database['HOST']}:{database['PORT']}/{database['NAME']}",
                PYTHONWARNINGS="ignore",
                **self.changes,
            ),
            cwd=settings.BASE_DIR,
            start_new_session=True,  # so that its children can be ended with it
        )
        self._all.append(running)
        return running

    def web(self, address: str) -> Process:
        return self._start(
            "-m", "gunicorn", "--config=python:config.gunicorn", f"--bind={address}", "config.wsgi"
        )

    def beat(self) -> None:
        self.scheduler = self._start(*CELERY, "beat", "--loglevel=ERROR")

    def worker(self, *starter: str, concurrency: int = 2) -> Process:
        """Start a worker; `starter` replaces Python's arguments `-m celery`."""
        number = f"-n=worker-{len(self._all)}"
        command = (
            *(starter or CELERY),
            "worker",
            number,
            f"--concurrency={concurrency}",
            "--loglevel=ERROR",
        )
        self.workers.append(self._start(*command))
        return self.workers[-1]

    def produce(self, count: int = 2, pause: float = 0.05, what: str = "orders") -> None:
        command = ("-m", "tests.broker.faults.producer", str(pause), what)
        self.producers += [self._start(*command) for _ in range(count)]

    def children(self, process: Process) -> list[int]:
        """Return the process ids of a worker's children."""
        path = f"/proc/{process.pid}/task/{process.pid}/children"
        with open(path) as file:
            return [int(pid) for pid in file.read().split()]

    @contextmanager
    def load(
        self, *, workers: int = 2, producers: int = 2, pause: float = 0.05, what: str = "orders"
    ) -> Iterator[None]:
        """Run the block under load, and then wait until no work is pending."""
        self.beat()
        for _ in range(workers):
            self.worker()
        self.produce(producers, pause, what)
        wait_until(lambda: all(map(self.children, self.workers)), "a worker does not start")
        wait_until(grown(Publication.objects.all(), 50), "nothing is published")
        yield
        self.settle()

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Count the messages pending before and after the block: only those may be duplicated."""
        self.at_risk += Outbox.objects.count() + MARGIN
        yield
        self.at_risk += Outbox.objects.count()

    def settle(self) -> None:
        """Stop the load, and wait until no work is pending."""
        for producer in self.producers:
            producer.terminate()
        for producer in self.producers:
            producer.wait(60)
        self.producers.clear()
        self._wait_until_nothing_is_pending()
        # Timers must not run while the queue is compared with the database.
        self.scheduler.kill()
        self.scheduler.wait()
        self._wait_until_nothing_is_pending()
        self.stop()

    def _wait_until_nothing_is_pending(self) -> None:
        with suppress(AssertionError):
            wait_until(lambda: not pending(), "work is still pending", patience=120)
        assert not pending(), pending()

    def stop(self) -> None:
        for process in self._all:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def pending() -> list[object]:
    """Return the pending messages and reactions."""
    return [
        *Outbox.objects.all()[:10],
        *Reaction.objects.all()[:10],
        *Payment.objects.filter(status="opening")[:10],
    ]


def grown(rows: QuerySet, by: int):
    """Return a function that returns whether `by` more rows exist than now."""
    before = rows.count()
    return lambda: rows.count() >= before + by


def silent_for() -> float:
    """Return the age in seconds of the oldest transaction that is idle now.

    A publishing relay has one; 0 if there is none.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)"
            " FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        return float(cursor.fetchone()[0])


def drain() -> None:
    """Publish in this process until nothing is pending."""
    wait_until(
        lambda: publish(retries=True) or not Outbox.objects.exists(), "messages are still pending"
    )
