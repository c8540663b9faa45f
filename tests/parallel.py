"""Work in other processes: several concurrent ones, or one that is killed at a given call."""

import itertools
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

from django.db import connections

_fork = multiprocessing.get_context("fork")
TIMEOUT = 60  # seconds


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Call `work(n)` in `count` processes at once; return the results, or the exceptions.

    Each process has its own database connection, so the test must commit its data.
    """
    connections.close_all()
    barrier, results = _fork.Barrier(count), _fork.SimpleQueue()

    def run(n: int) -> None:
        connections["default"].ensure_connection()
        barrier.wait(TIMEOUT)
        try:
            result = work(n)
        except Exception as error:
            traceback.print_exc()
            result = error
        connections.close_all()
        results.put(result)

    processes = [_fork.Process(target=run, args=(n,)) for n in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(TIMEOUT)
        assert process.exitcode == 0, "a process timed out or crashed"
    return [results.get() for _ in processes]


def killed(work: Callable[[], Any], owner: Any, name: str, *, turn: int = 1) -> None:
    """Do the work in a process that is killed when it calls `owner.name` for the `turn`-th time."""
    original, turns = getattr(owner, name), itertools.count(1)

    def kill_or_call(*args: Any, **kwargs: Any) -> Any:
        if next(turns) == turn:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    def run() -> None:
        setattr(owner, name, kill_or_call)  # in the child process only
        work()

    connections.close_all()
    process = _fork.Process(target=run)
    process.start()
    process.join(TIMEOUT)
    assert process.exitcode == -signal.SIGKILL
