"""Numbers for people: `ORD-2025-0001`, counted for each organization, series and year."""

from datetime import UTC, datetime

from django.db import connection


def next_number(*, organization_id: str, series: str, at: datetime) -> str:
    """Return the next number of a series.

    The series stays locked until the transaction ends, so that numbers have no gaps and follow the
    order of commits. Call it as late as possible in the transaction.
    """
    year = at.astimezone(UTC).year
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_numberseries (organization_id, series, year, last)"
            " VALUES (%s, %s, %s, 1)"
            " ON CONFLICT (organization_id, series, year) DO UPDATE"
            " SET last = core_numberseries.last + 1 RETURNING last",
            [organization_id, series, year],
        )
        (last,) = cursor.fetchone()
    return f"{series}-{year}-{last:04d}"
