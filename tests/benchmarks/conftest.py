"""Fixtures of the benchmarks, and the table at the end."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import kombu
import pytest
from django.conf import settings
from django.db import connection

from events.delivery import broker as broker_
from tests.benchmarks import loaded as loaded_
from tests.benchmarks.measure import Line, table


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = "only the benchmarks of the loaded database"
    parser.addoption("--loaded", action="store_true", help=help_text)
    help_text = "another revision whose lives are compared with this one's"
    parser.addoption("--against", metavar="REV", help=help_text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_loaded = bool(config.getoption("--loaded", False))
    ours = [item for item in items if item.path.parent == Path(__file__).parent]
    out = [item for item in ours if bool(item.get_closest_marker("loaded")) != is_loaded]
    items[:] = [item for item in items if item not in out]


@pytest.fixture
def loaded(transactional_db: None) -> Callable[[], AbstractContextManager[Any]]:
    """Return a context manager in which this process uses the loaded database."""
    if not loaded_.is_complete():
        pytest.skip("There is no loaded database: make load first")
    return partial(loaded_.connected, loaded_.NAME)


@pytest.fixture(params=["classic", "quorum"])
def purge(broker: kombu.Connection, request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """Create a durable queue for all messages; return a function that empties it."""
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
    """Set the environment of the processes that a benchmark starts, as in production."""
    changes = {"DEBUG": "false", "PUBLIC_URL": "https://orders.example.com"}
    for name, value in changes.items():
        monkeypatch.setenv(name, value)


def empty(*tables: str) -> None:
    """Remove all rows from the tables, including the dead rows of earlier runs."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, with a line for each measurement."""
    if not table:
        return
    lines = [Line("what was measured", "median (least–most)", "target"), *table]
    wide = max(len(line.what) for line in lines)
    terminalreporter.write_sep("=", "benchmarks")
    for line in lines:
        mark = {None: "", True: "reached", False: "MISSED"}[line.reached]
        row = f"{line.what:{wide}}  {line.figures:21}  {line.target:8}  {mark}"
        terminalreporter.write_line(row.rstrip())
