"""Nudges: Celery tasks that say "there is work", sent by a thread of their own.

The thread that commits only puts a name into a set, so a broker that is down, frozen or slow
costs a request nothing. A nudge may be lost or repeated: the rows are the truth, and the sweep
finds what nobody was told about.
"""

import logging
import os
import threading
from contextlib import suppress
from typing import Any

from celery import current_app

from events import metrics

logger = logging.getLogger(__name__)

Nudge = tuple[str, tuple[object, ...]]  # a task's name and its arguments
NUDGE_LIVES = 30  # seconds; while no worker runs, nudges must not pile up in the broker

_pending: dict[Nudge, None] = {}
_changed = threading.Condition()
_thread: threading.Thread | None = None


def relay(shard: int) -> None:
    """There is something to publish."""
    _nudge(("events.tasks.relay", (shard,)))


def react(stream: str, context: str) -> None:
    """There is something for a context to do."""
    _nudge(("events.tasks.react", (stream, context)))


def call(task: str, *args: object) -> None:
    """There is something to do outside the database."""
    _nudge((task, args))


def _nudge(nudge: Nudge) -> None:
    global _thread
    with _changed:
        _pending[nudge] = None
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_send_for_ever, name="wake", daemon=True)
            _thread.start()
        _changed.notify()


def _send_for_ever() -> None:
    # Not a connection of Celery's pool, which has fewer of them after each failure.
    connection: Any = None
    producer = None
    blocked = metrics.blocked.labels("nudge")
    while True:
        with _changed:
            while not _pending:
                _changed.wait()
            nudges = list(_pending)
            _pending.clear()
        try:
            if producer is None:
                # Without heartbeats, which nobody would send between two nudges.
                connection = current_app.connection_for_write(heartbeat=0)
                # Under an alarm no nudge gets through, so no relay would notice it.
                connection.connection.on_blocked = lambda reason: blocked.set(1)
                connection.connection.on_unblocked = lambda: blocked.set(0)
                producer = current_app.amqp.Producer(connection, auto_declare=False)
            for name, args in nudges:
                current_app.send_task(
                    name, args, producer=producer, retry=False, expiration=NUDGE_LIVES
                )
        except Exception as error:
            logger.warning("%d nudges left to the sweep: %r", len(nudges), error)
            metrics.broker_failures.labels("nudge").inc()
            blocked.set(0)
            if connection:
                with suppress(Exception):  # of a broken connection, anything
                    connection.collect()
            connection = producer = None


def _forget_after_fork() -> None:
    # The child has the parent's lock and set, but not its thread.
    global _thread, _changed
    _thread, _changed = None, threading.Condition()
    _pending.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
