"""Numbers for people: `ORD-2025-0001`, counted for each organization, series and year.

The year is that of the given moment in its own time zone: see `config.core.clock`.
"""

from contextlib import closing
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper


def next_number(*, organization_id: str, series: str, at: datetime) -> str:
    """Return the next number of a series that must have no gaps.

    The series stays locked until the transaction ends, so that numbers follow the order of commits.
    Call it as late as possible in the transaction.
    """
    [number] = next_numbers(1, organization_id=organization_id, series=series, at=at)
    return number


def next_numbers(count: int, *, organization_id: str, series: str, at: datetime) -> list[str]:
    """Return the next numbers of a series, as `next_number` does."""
    return _next(connection, organization_id, series, at, count)


def take_number(*, organization_id: str, series: str, at: datetime) -> str:
    """Return the next number of a series that may have gaps; other transactions do not wait for it.

    On PostgreSQL it is committed at once, on another connection of the pool. SQLite has one writer
    at a time, so there the number is part of the transaction.
    """
    if connection.vendor != "postgresql":
        return _next(connection, organization_id, series, at)[0]
    with closing(connections.create_connection(DEFAULT_DB_ALIAS)) as separate:
        return _next(separate, organization_id, series, at)[0]


def _next(
    connection: BaseDatabaseWrapper,
    organization_id: str,
    series: str,
    at: datetime,
    count: int = 1,
) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_numberseries (organization_id, series, year, last)"
            " VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (organization_id, series, year) DO UPDATE"
            " SET last = core_numberseries.last + excluded.last RETURNING last",
            [organization_id, series, at.year, count],
        )
        (last,) = cursor.fetchone()
    return [f"{series}-{at.year}-{number:04d}" for number in range(last - count + 1, last + 1)]
