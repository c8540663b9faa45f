"""The workers of a host: `python -m config.workers [NAME …]`, or all of them.

Each is a process, so that slow work does not delay events. They are forked from one process that
has imported Django, and share its memory. One that ends is started again. The relay also sends the
periodic tasks, as `celery beat` does.
"""

import gc
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

import django
from celery.beat import Service
from celery.signals import worker_ready
from django.conf import settings

from config.celery import Scheduler, app, check_settings

logger = logging.getLogger(__name__)

QUEUES = {
    "relay": ("events", "backlog"),
    "worker": ("reactions", "default"),
    "outbound": ("gateways", "carriers", "mail"),  # waits for other systems
    "documents": ("documents",),  # computes for seconds
}
THREADS = {"relay": 2, "worker": 4, "outbound": 8, "documents": 1}
NICE = 15  # of `documents`: a thirtieth of the others' share when all cores are busy
PAUSE = 1.0  # seconds until a process that has ended is started again
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Supervisor:
    """Starts processes, starts those again that end, and passes signals on to them."""

    def __init__(self, names: list[str]) -> None:
        self._metrics_port = {names[0]: settings.METRICS_PORT}  # one process serves those of all
        self._names: dict[int, str] = {}  # by process id
        self._is_stopping = False
        for number in SIGNALS:
            signal.signal(number, self._stop)
        for name in names:
            self._start(name)

    def run(self) -> None:
        """Return when all processes have ended after a signal."""
        from events.operations import metrics

        while self._names:
            pid, status = os.wait()
            name = self._names.pop(pid)
            metrics.forget(pid)
            if not self._is_stopping:
                logger.error("%s has ended with status %s", name, os.waitstatus_to_exitcode(status))
                time.sleep(PAUSE)  # one that cannot start must not be forked without end
                self._start(name)

    def _start(self, name: str) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the process id is known
        if not self._is_stopping:
            pid = os.fork()
            if not pid:
                self._become(name)
            self._names[pid] = name
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _become(self, name: str) -> NoReturn:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        settings.METRICS_PORT = self._metrics_port.get(name, 0)
        if name == "relay":
            worker_ready.connect(schedule)
        if name == "documents":
            os.nice(NICE)
        sys.exit(app.start(["--quiet", "worker", *options(name)]))

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True
        for pid in self._names:
            os.kill(pid, signal.SIGTERM)


def options(name: str) -> list[str]:
    """Return the options of Celery's worker."""
    queues = ",".join(f"{settings.EVENTS_QUEUE_PREFIX}{queue}" for queue in QUEUES[name])
    threads = ["--pool=threads", f"--concurrency={THREADS[name]}"]
    return [f"--hostname={name}@%h", f"--queues={queues}", *threads]


def schedule(**kwargs: object) -> None:
    """Send the periodic tasks, in a thread; if it ends, so does the process."""

    def run() -> None:
        try:
            Service(app, scheduler_cls=Scheduler).start()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=run, name="scheduler", daemon=True).start()


def main(names: list[str]) -> None:
    """Run the processes of these names, or all."""
    if unknown := set(names) - set(QUEUES):
        sys.exit(f"There is no {', '.join(sorted(unknown))}: name some of {', '.join(QUEUES)}.")
    django.setup()
    app.loader.import_default_modules()
    check_settings()
    gc.collect()
    gc.freeze()  # a collection would write to the objects, and so copy their memory
    Supervisor(names or list(QUEUES)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
