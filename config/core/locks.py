"""Advisory locks, by name, and the timeouts of all locks."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from django.db import connection, transaction

LOCK_NOT_AVAILABLE, QUERY_CANCELED = "55P03", "57014"  # SQLSTATE
_in_process: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def _number(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def is_timeout(error: Exception) -> bool:
    """Return whether PostgreSQL ended a statement that waited or ran for too long."""
    return getattr(error.__cause__, "sqlstate", None) in (LOCK_NOT_AVAILABLE, QUERY_CANCELED)


@contextmanager
def try_lock(name: str) -> Iterator[bool]:
    """Hold the lock during the block, or yield False if it is taken. Do not wait for it.

    On PostgreSQL the block is one transaction, and its end releases the lock. SQLite is used by
    one process only, so a lock of the process is enough; the block is no transaction there,
    because a transaction would keep out all other writers.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_number(name)])
            yield cursor.fetchone()[0]
    elif _in_process[name].acquire(blocking=False):
        try:
            yield True
        finally:
            _in_process[name].release()
    else:
        yield False


def lock(name: str) -> None:
    """Wait for the lock, and hold it until the transaction ends.

    On SQLite nothing is locked: a transaction that writes has the database to itself.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number(name)])


def wait_without_timeout() -> None:
    """Let the rest of the transaction wait for any lock until its holder ends."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
