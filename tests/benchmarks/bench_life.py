"""What an order's whole life costs over HTTP; `--against REV` compares it with another revision."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import pytest
from django.conf import settings

from tests.benchmarks.client import Client
from tests.benchmarks.measure import PAIRS, Line, spread, table
from tests.benchmarks.stack import Stack
from tests.broker.faults import cluster, node

LIVES = 4  # of one client, in a run
CLIENTS = 6

pytestmark = pytest.mark.skipif(
    not (node.is_possible() and cluster.is_possible()),
    reason="It starts rabbitmq-server and PostgreSQL itself, which are not installed here.",
)


class Figures(NamedTuple):
    """Figures of a run, for each life where they are sums."""

    processor: Counter[str]  # seconds
    statements: float
    tasks: dict[str, float]
    messages: float
    seconds: float  # from the first request to the last message, of one client
    lives_a_second: float  # of six clients
    tasks_at_once: float  # for each life of six clients
    latencies: dict[str, float]  # milliseconds, by kind of request
    load: float


@pytest.fixture
def stacks(request: pytest.FixtureRequest) -> Iterator[dict[str, Stack]]:
    """Return this checkout's service, and that of `--against`, with their names."""
    with TemporaryDirectory() as directory:  # which PostgreSQL's user can enter
        yield from _started(Path(directory), request.config.getoption("--against"))


def _started(directory: Path, revision: str | None) -> Iterator[dict[str, Stack]]:
    checkouts = {"this": Path(settings.BASE_DIR)}
    packages: dict[str, str] = {}
    git = ["git", "-C", str(settings.BASE_DIR), "worktree"]
    if revision:
        checkouts[revision] = directory / "checkout"
        add = [*git, "add", "--detach", str(checkouts[revision]), revision]
        subprocess.run(add, check=True, capture_output=True)
        packages["PYTHONPATH"] = str(directory / "packages")
        requirements = f"--requirement={checkouts[revision] / 'requirements.txt'}"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", requirements]
        subprocess.run([*pip, f"--target={packages['PYTHONPATH']}"], check=True)
    made = {
        name: Stack(path, directory / name, **(packages if name == revision else {}))
        for name, path in checkouts.items()
    }
    try:
        for stack in made.values():
            stack.start()
        yield made
    finally:
        for stack in made.values():
            stack.stop()
        if revision:
            remove = [*git, "remove", "--force", str(checkouts[revision])]
            subprocess.run(remove, check=True, capture_output=True)


def live_twice(client: Client) -> None:
    client.live()
    client.live()


def run(stack: Stack) -> Figures:
    """Live some lives one after the other, then some at once, and cancel some orders."""
    load = os.getloadavg()[0]
    client = Client(stack.address, stack.token(), stack.listener)
    before, received, started = stack.cost(), stack.listener.received, perf_counter()
    for _ in range(LIVES):
        client.live()
    took = perf_counter() - started
    cost = stack.cost().since(before)
    messages = stack.listener.received - received

    before, started = stack.cost(), perf_counter()
    crowd = [Client(stack.address, stack.token(), stack.listener) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(live_twice, each) for each in crowd]:
            done.result()
    at_once = perf_counter() - started
    tasks_at_once = stack.cost().since(before).tasks.total()

    for _ in range(LIVES):
        client.cancel()
    return Figures(
        Counter({name: each / LIVES for name, each in cost.processor.items()}),
        cost.statements / LIVES,
        {name: each / LIVES for name, each in cost.tasks.items()},
        messages / LIVES,
        took / LIVES,
        CLIENTS * 2 / at_once,
        tasks_at_once / (CLIENTS * 2),
        {kind: median(each) * 1000 for kind, each in client.took.items()},
        load,
    )


def test_life(stacks):
    """Interleave the runs of both revisions, after one that warms up."""
    runs: dict[str, list[Figures]] = {name: [] for name in stacks}
    for number in range(PAIRS + 1):
        for name in list(stacks)[:: (-1) ** number]:
            runs[name].append(run(stacks[name]))
    figures = {name: each[1:] for name, each in runs.items()}

    def add(what: str, value: Any, digits: int = 2) -> None:
        ours, *others = ([value(each) for each in figures[name]] for name in stacks)
        line = f"a life: {what}"
        table.append(Line(line, spread(ours, digits)))
        for other in others:
            ratio = median(ours) / median(other) if median(other) else float("nan")
            table.append(
                Line(f"{line}, {list(stacks)[1]}", f"{spread(other, digits)} {ratio:.2f}×")
            )

    add("load of the machine", lambda run: run.load)
    for name in ("web", "workers", "PostgreSQL", "RabbitMQ"):
        add(f"seconds of processor, {name}", lambda run, name=name: run.processor[name], 3)
    add("seconds of processor, all", lambda run: run.processor.total(), 3)
    add("statements", lambda run: run.statements, 0)
    add("messages", lambda run: run.messages, 0)
    add("tasks", lambda run: sum(run.tasks.values()), 1)
    for name in sorted({name for each in figures.values() for run in each for name in run.tasks}):
        add(f"tasks {name}", lambda run, name=name: run.tasks.get(name, 0), 1)
    add("tasks, six clients", lambda run: run.tasks_at_once, 1)
    add("seconds, one client", lambda run: run.seconds, 3)
    add("lives a second, six clients", lambda run: run.lives_a_second)
    for kind in figures["this"][0].latencies:
        add(f"ms p50 of {kind}", lambda run, kind=kind: run.latencies[kind], 1)
    for name, stack in stacks.items():
        memory = stack.memory()
        parts = ", ".join(f"{part} {size:.0f}" for part, size in memory.items())
        what = f"memory in MB (PSS), {name}: {parts}"
        table.append(Line(what, f"{sum(memory.values()):.0f}"))
    assert figures["this"][0].messages >= 27
