"""Other processes, as several web servers and workers are: at once, or killed at any line."""

import itertools
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

from django.db import connections

_fork = multiprocessing.get_context("fork")
LIMIT = 60  # seconds


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what `work(n)` answers in each of `count` processes, its exceptions included.

    All start at the same moment, each with a connection of its own; the test must commit.
    """
    connections.close_all()
    barrier, answers = _fork.Barrier(count), _fork.SimpleQueue()

    def run(n: int) -> None:
        connections["default"].ensure_connection()
        barrier.wait(LIMIT)
        try:
            answer = work(n)
        except Exception as error:
            traceback.print_exc()
            answer = error
        connections.close_all()
        answers.put(answer)

    processes = [_fork.Process(target=run, args=(n,)) for n in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT)
        assert process.exitcode == 0, "a process has hung or died"
    return [answers.get() for _ in processes]


def killed(work: Callable[[], Any], owner: Any, name: str, *, turn: int = 1) -> None:
    """Do the work in a process that is killed where it calls `owner.name` for the nth time."""
    original, turns = getattr(owner, name), itertools.count(1)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        if next(turns) == turn:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    def run() -> None:
        setattr(owner, name, deadly)  # of the child alone
        work()

    connections.close_all()
    process = _fork.Process(target=run)
    process.start()
    process.join(LIMIT)
    assert process.exitcode == -signal.SIGKILL
