"""Sends Celery tasks after the commit, from a background thread.

The thread that commits only adds the task to a set, so a broker that is down, frozen or slow does
not delay a request. A task may be lost or repeated: it only says that there are rows to process,
and `events.tasks.sweep` finds rows whose task was lost.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import Task, current_app
from django.db import transaction

from events.operations import metrics

logger = logging.getLogger(__name__)

Notification = tuple[str, tuple[object, ...]]  # a task's name and its arguments
EXPIRY = 30  # seconds; while no worker runs, tasks must not pile up in the broker

PAUSE = 0.01  # seconds between two rounds; a busy process then sends fewer tasks

_pending: dict[Notification, None] = {}
_changed = threading.Condition()
_thread: threading.Thread | None = None
_local = threading.local()  # .running: the notification whose work the block `doing` does


def enqueue(task: Task[..., Any], *args: object) -> None:
    """Send the task after the current transaction has committed; without one, send it immediately.

    A task that is enqueued twice with the same arguments before it is sent is sent once.
    """
    notification = (task.name, args)

    def send() -> None:
        if notification != getattr(_local, "running", None):
            _put(notification)

    transaction.on_commit(send, robust=True)


@contextmanager
def doing(task: Task[..., Any], *args: object) -> Iterator[None]:
    """Do not send the task for what this thread commits in the block, which does its work."""
    _local.running = (task.name, args)
    try:
        yield
    finally:
        _local.running = None


def _put(notification: Notification) -> None:
    global _thread
    with _changed:
        _pending[notification] = None
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run_thread, name="notify", daemon=True)
            _thread.start()
        _changed.notify()


def _run_thread() -> None:
    # Not a connection of Celery's pool, which has fewer of them after each failure.
    connection: Any = None
    producer = None
    blocked = metrics.blocked.labels("nudge")
    while True:
        with _changed:
            while not _pending:
                _changed.wait()
            notifications = list(_pending)
            _pending.clear()
        try:
            if producer is None:
                # Without heartbeats: nothing would send them between two notifications.
                connection = current_app.connection_for_write(heartbeat=0)
                # Under an alarm no task gets through, so no relay would notice it.
                connection.connection.on_blocked = lambda reason: blocked.set(1)
                connection.connection.on_unblocked = lambda: blocked.set(0)
                producer = current_app.amqp.Producer(connection, auto_declare=False)
            for name, args in notifications:
                current_app.send_task(name, args, producer=producer, retry=False, expiration=EXPIRY)
        except Exception as error:
            logger.warning(
                "%d tasks were not sent, the sweep will send them: %r", len(notifications), error
            )
            metrics.broker_failures.labels("nudge").inc()
            blocked.set(0)
            if connection:
                with suppress(Exception):  # of a broken connection, anything
                    connection.collect()
            connection = producer = None
        time.sleep(PAUSE)  # collects the tasks of several commits


def _forget_after_fork() -> None:
    # The child has the parent's lock and set, but not its thread.
    global _thread, _changed
    _thread, _changed = None, threading.Condition()
    _pending.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
