"""What the benchmarks share: the table at the end, and rows that are owed again and again."""

from collections.abc import Callable, Iterator
from typing import Any

import kombu
import pytest
from django.conf import settings
from django.db import connection

from events import broker as broker_
from tests.benchmarks.measure import Line, table


@pytest.fixture(params=["classic", "quorum"])
def purge(broker: kombu.Connection, request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """A durable queue that gets everything; return a function that empties it."""
    channel = broker.channel()
    queue = kombu.Queue(
        f"{settings.EVENTS_QUEUE_PREFIX}{request.param}",
        broker_.exchange(),
        routing_key="#",
        queue_arguments={"x-queue-type": request.param},
    )(channel)
    queue.declare()
    yield queue.purge
    queue.delete()


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the processes that a benchmark starts have otherwise than the tests."""
    changes = {"DEBUG": "false", "PUBLIC_URL": "https://orders.example.com"}
    for name, value in changes.items():
        monkeypatch.setenv(name, value)


def empty(*tables: str) -> None:
    """Take all rows out of the tables, and the dead rows of earlier runs with them."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, a line for each measure."""
    if not table:
        return
    lines = [Line("what was measured", "median (least–most)", "target"), *table]
    wide = max(len(line.what) for line in lines)
    terminalreporter.write_sep("=", "benchmarks")
    for line in lines:
        mark = {None: "", True: "reached", False: "MISSED"}[line.reached]
        row = f"{line.what:{wide}}  {line.figures:21}  {line.target:8}  {mark}"
        terminalreporter.write_line(row.rstrip())
