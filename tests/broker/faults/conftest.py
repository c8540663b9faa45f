"""Real faults, and the table of their effects.

`make faults` passes `--faults`: every test then has its own broker. `make test` leaves out the long
tests, and those that do not damage the broker share one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kombu
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from events.delivery import broker as broker_
from tests.broker.conftest import wait_until
from tests.broker.faults import cluster as cluster_
from tests.broker.faults import node as node_
from tests.broker.faults.cluster import Cluster
from tests.broker.faults.deployment import Deployment
from tests.broker.faults.node import Node
from tests.broker.faults.truth import Verdict, compare, read_queue

RESUMES_WITHIN = 10  # seconds after the fault is over


@dataclass(frozen=True)
class Line:
    """A line of the table; `recovery` is in seconds."""

    number: str
    fault: str
    verdict: Verdict
    recovery: float | None


table: list[Line] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="every fault, each on its own broker")
    parser.addoption("--soak", type=float, help="faults at random for so many minutes")
    parser.addoption("--seed", type=int, help="the seed of faults or lives at random")
    parser.addoption("--lives", type=int, default=60, help="how many random lives to live")
    parser.addoption("--life", type=int, help="the number of one random life, to live it alone")


def is_thorough(config: pytest.Config) -> bool:
    return bool(config.getoption("--faults", False))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not is_thorough(config):
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not table:
        return
    row = "{:>3}  {:58}  {:>7}  {:>5}  {:>9}  {:>10}  {:>8}".format
    terminalreporter.write_sep("=", "faults")
    head = row("", "fault", "events", "lost", "reordered", "duplicates", "recovery")
    terminalreporter.write_line(head)
    for line in sorted(table, key=lambda line: int(line.number)):
        v, took = line.verdict, f"{line.recovery:.1f} s" if line.recovery is not None else "-"
        cells = (v.events, v.lost + v.invented, v.reordered, v.duplicates, took)
        terminalreporter.write_line(row(line.number, line.fault, *cells))


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Iterator[Node]:
    """The test's own broker, for this process and the processes that it starts."""
    if not node_.is_possible():
        pytest.skip("rabbitmq-server is not installed here")
    node = Node(tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        settings.EVENTS_BROKER_URL = node.url
        broker_.declare_topology()
        yield node
    finally:
        node.stop()


@pytest.fixture
def cluster(transactional_db: None) -> Iterator[Cluster]:
    """The test's own PostgreSQL, for this process and the processes that it starts."""
    if not cluster_.is_possible():
        pytest.skip("PostgreSQL's initdb is not installed here")
    # Not below pytest's directory, which another run of pytest closes to PostgreSQL's user.
    with TemporaryDirectory() as directory:
        yield from _running(Cluster(Path(directory)))


def _running(cluster: Cluster) -> Iterator[Cluster]:
    cluster.start()
    shared = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": cluster.port, "NAME": "postgres"}
    try:
        call_command("migrate", verbosity=0)
        yield cluster
    finally:
        connection.close()
        connection.settings_dict.update(shared)
        cluster.stop()


@pytest.fixture(autouse=True)
def ground(request: pytest.FixtureRequest) -> None:
    """The broker of a test that does not damage it."""
    needed = "node" if is_thorough(request.config) else "broker"
    request.getfixturevalue(needed)


@pytest.fixture
def queue(request: pytest.FixtureRequest, ground: None) -> Iterator[str]:
    """A durable queue that receives every message."""
    name = f"{settings.EVENTS_QUEUE_PREFIX}{request.node.name}"
    with own_channel() as channel:
        everything = kombu.Queue(name, broker_.exchange(), routing_key="#")(channel)
        everything.declare()
    yield name
    with own_channel() as channel:
        channel.queue_delete(name)


@contextmanager
def own_channel() -> Iterator[Any]:
    with broker_.connect() as connection:
        yield connection.channel()


@pytest.fixture
def prove(request: pytest.FixtureRequest, queue: str) -> Callable[..., Verdict]:
    """Return a function that compares database and queue, and adds a line to the table.

    The test fails if something is lost, invented or reordered, if there are more than so many
    `duplicates`, or if the `recovery` took longer than it may.
    """
    marker = request.node.get_closest_marker("fault")

    def judge(*, duplicates: int = 0, recovery: float | None = None) -> Verdict:
        verdict = compare(read_queue(queue, settings.EVENTS_BROKER_URL))
        number, fault = marker.args
        table.append(Line(str(number), fault, verdict, recovery))
        assert verdict.events > 0, "nothing has happened"
        assert (verdict.lost, verdict.invented, verdict.reordered) == (0, 0, 0), verdict
        assert verdict.duplicates <= duplicates, verdict
        assert recovery is None or recovery <= RESUMES_WITHIN
        return verdict

    return judge


@pytest.fixture
def deployment(transactional_db: None, ground: None) -> Iterator[Deployment]:
    deployment = Deployment()
    yield deployment
    deployment.stop()


def seconds_until(condition: Callable[[], object], why: str) -> float:
    """Wait for the condition, and return the seconds."""
    started = time.monotonic()
    wait_until(condition, why)
    return time.monotonic() - started
