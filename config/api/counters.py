"""Counters of requests that all processes share, without a write for each request.

A process counts in memory. Once a second, a thread adds what is new to a table, in one statement,
which returns the sums of all processes. So a counter misses at most what the other processes have
counted in the last second. SQLite is used by one process only: there, nothing is written.
"""

import logging
import math
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import close_old_connections, connection

logger = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds between two flushes
FORGET_AFTER = 60  # seconds without a request until a counter is in the table only
BATCH_SIZE = 1_000  # counters in one statement


class Usage(NamedTuple):
    """Whether a request is allowed, what is left after it, and the seconds until all is."""

    is_allowed: bool
    remaining: int
    reset: int


@dataclass
class Counter:
    """The requests in a window of time, which ends at `ends` (POSIX seconds)."""

    ends: int
    total: int = 0  # with those of other processes, as of the last flush
    unsaved: int = 0  # part of the total
    used_at: float = 0


class Counters:
    """The counters of this process, by key."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a process that was forked does: it has no thread."""
        self._counters: dict[str, Counter] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def take(self, key: str, amount: int, *, limit: int, window: int) -> Usage:
        """Count `amount` of at most `limit` in `window` seconds, unless it exceeds the limit.

        `key` is hexadecimal. The windows of different keys begin at different times, so that not
        all callers return in the same second.
        """
        now = time.time()
        offset = int(key[:8], 16) % window
        ends = (int(now) + offset) // window * window + window - offset
        with self._lock:
            counter = self._counters.get(key)
            if counter is None or counter.ends != ends:
                counter = self._counters[key] = Counter(ends)
            counter.used_at = now
            is_allowed = counter.total + amount <= limit
            if is_allowed:
                counter.total += amount
                counter.unsaved += amount
            self._start()
            return Usage(is_allowed, max(limit - counter.total, 0), max(math.ceil(ends - now), 1))

    def flush(self) -> None:
        """Add what is new to the table, and take over the sums of all processes."""
        now = time.time()
        with self._lock:
            for key, counter in list(self._counters.items()):
                if counter.ends <= now or counter.used_at < now - FORGET_AFTER:
                    del self._counters[key]
            # In the order of their keys, so that two processes cannot deadlock.
            new = sorted(
                (key, counter.ends, counter.unsaved)
                for key, counter in self._counters.items()
                if counter.unsaved
            )
        for start in range(0, len(new), BATCH_SIZE):
            self._add(new[start : start + BATCH_SIZE])

    def _add(self, rows: list[tuple[str, int, int]]) -> None:
        keys, ends, amounts = map(list, zip(*rows, strict=True))
        moments = [datetime.fromtimestamp(end, UTC) for end in ends]
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [keys, moments, amounts])
            totals = {key: (round(end.timestamp()), total) for key, end, total in cursor.fetchall()}
        with self._lock:
            for key, end, amount in rows:
                counter = self._counters.get(key)
                if counter and totals[key][0] == counter.ends == end:
                    counter.unsaved -= amount
                    counter.total = totals[key][1] + counter.unsaved

    def _start(self) -> None:
        """Start the thread that flushes, once."""
        if connection.vendor == "postgresql" and not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name="counters", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(INTERVAL)  # nothing wakes it: the daemon thread ends with the process
            try:
                self.flush()
            except Exception as error:
                logger.warning("Requests are counted by this process only: %r", error)
            close_old_connections()


_ADD = """
    INSERT INTO api_requestcount AS counted (key, ends_at, total)
    SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::int[]) ORDER BY 1
    ON CONFLICT (key) DO UPDATE
    SET ends_at = GREATEST(counted.ends_at, excluded.ends_at),
        total = CASE WHEN counted.ends_at = excluded.ends_at
                     THEN counted.total + excluded.total
                     WHEN counted.ends_at < excluded.ends_at THEN excluded.total
                     ELSE counted.total END
    RETURNING key, ends_at, total
"""
counters = Counters()
os.register_at_fork(after_in_child=counters.forget)
