"""Advisory locks, by name, and the timeouts of all locks."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import compress

from django.db import connection, transaction

TIMEOUTS = ("lock_timeout", "statement_timeout")
LOCK_NOT_AVAILABLE, QUERY_CANCELED = "55P03", "57014"  # SQLSTATE
_in_process: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def lock_number(name: str) -> int:
    """Return the number by which PostgreSQL knows the lock of this name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def is_timeout(error: Exception) -> bool:
    """Return whether PostgreSQL ended a statement that waited or ran for too long."""
    return getattr(error.__cause__, "sqlstate", None) in (LOCK_NOT_AVAILABLE, QUERY_CANCELED)


@contextmanager
def try_lock(*names: str, is_patient: bool = False) -> Iterator[list[str]]:
    """Hold those of the locks that are free during the block; yield their names. Do not wait.

    With `is_patient`, the later statements of the block wait for other locks without a timeout.

    On PostgreSQL the block is one transaction, and its end releases the locks. SQLite is used by
    one process only, so locks of the process are enough; the block is no transaction there,
    because a transaction would keep out all other writers.
    """
    if connection.vendor == "postgresql":
        each = ", ".join(["pg_try_advisory_xact_lock(%s)"] * len(names))
        if is_patient:
            each += "".join(f", set_config('{name}', '0', true)" for name in TIMEOUTS)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT {each}", [lock_number(name) for name in names])
            yield list(compress(names, cursor.fetchone()))
        return
    acquired = [name for name in names if _in_process[name].acquire(blocking=False)]
    try:
        yield acquired
    finally:
        for name in acquired:
            _in_process[name].release()


def lock(name: str) -> None:
    """Wait for the lock, and hold it until the transaction ends.

    On SQLite nothing is locked: a transaction that writes has the database to itself.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number(name)])
