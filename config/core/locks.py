"""Locks that nobody waits for: whoever does not get one leaves the work to its holder."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from django.db import connection, transaction

_in_process: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def _number(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


@contextmanager
def try_lock(name: str) -> Iterator[bool]:
    """Hold the lock during the block, or yield False because somebody else does.

    On PostgreSQL the block is one transaction and the lock ends with it, however it ends. SQLite
    is used by one process only, whose lock it is; there the block is not a transaction, because a
    transaction would keep every other writer out.
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
    """Hold the lock until the transaction ends; wait for it if need be.

    On SQLite a transaction that writes already has the whole database to itself.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number(name)])
