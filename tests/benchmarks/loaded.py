"""A database of 1,000,000 orders: a few lives, created through the services and then copied.

Each copy has its own public ids, which sort by its time, and its own numbers; a customer has
twenty copies. All times of a copy are shifted by the same amount. The other values stay the same.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import AutoField, Model
from ulid import ULID

from config.core.models import NumberSeries
from events.aggregate import aggregates
from events.delivery import notify
from events.models import EventRecord
from tests.benchmarks.lives import CUSTOMER, EMAIL, ENDED, OPEN, live

NAME = "order_service_loaded"
COMPLETE = "1,000,000 orders, complete"  # the comment of a complete database
ORDERS, STILL_OPEN, CUSTOMERS = 1_000_000, 10_000, 50_000
PERIOD = timedelta(days=365)
BATCH_SIZE = 5_000  # lives in a COPY of each table

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:([T ])(\d\d:\d\d))?")
_ULID = re.compile(r"(?<=_)[0-7][0-9A-HJKMNP-TV-Z]{25}\b")
_PARCEL = re.compile(r"\bSB\d{12}\b")  # the sandbox's tracking numbers
_NUMBER = re.compile(r"\b([A-Z]+-\d{4}-)\d{4,}\b")


@contextmanager
def connected(name: str) -> Iterator[Any]:
    """Use another database of the same server in this process; yield a cursor."""
    was = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
        connection.settings_dict["NAME"] = was


def is_complete() -> bool:
    """Return whether the database exists and is complete."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            [NAME],
        )
        return cursor.fetchone() == (COMPLETE,)


def load() -> None:
    """Create the database, unless it is complete; an incomplete one is created again."""
    if is_complete():
        with connected(NAME):
            call_command("migrate", verbosity=0)
        _report(f"{NAME} is complete already.")
        return
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {NAME}")
        cursor.execute(f"CREATE DATABASE {NAME}")
    notify._put = lambda notification: None
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    settings.RESERVATION_TTL_MINUTES = 365 * 24 * 60  # placed orders do not expire
    with connected(NAME) as cursor:
        _report("Migrating")
        call_command("migrate", verbosity=0)
        _report("Creating the lives to copy")
        patterns = {life: Pattern(cursor, life) for life in {*ENDED, *OPEN}}
        rebuild = _drop_indexes(cursor)
        _copy(cursor, patterns)
        cursor.execute("SET maintenance_work_mem = '1GB'")
        for done, sql in enumerate(rebuild):
            if done % 10 == 0:
                _report(f"{done} of {len(rebuild)} indexes and constraints")
            cursor.execute(sql)
        for sql in connection.ops.sequence_reset_sql(no_style(), _models()):
            cursor.execute(sql)
        NumberSeries.objects.update(last=ORDERS)
        _report("Analyzing")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(f"COMMENT ON DATABASE {NAME} IS '{COMPLETE}'")
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        _report(f"{NAME} is complete: {cursor.fetchone()[0]}")


_started = time.monotonic()


def _report(what: str) -> None:
    print(f"{time.monotonic() - _started:4.0f} s  {what}", flush=True)  # noqa: T201


def _models() -> list[type[Model]]:
    """The models of a life."""
    own = {model._meta.app_label for model in aggregates()} | {EventRecord._meta.app_label}
    return [model for model in apps.get_models() if model._meta.app_label in own]


def _truncate(cursor: Any) -> None:
    tables = ", ".join(model._meta.db_table for model in _models())
    cursor.execute(f"TRUNCATE {tables} CASCADE")


class Pattern:
    """A life's rows of each table as text for COPY, with %-placeholders for each copy's values.

    A value that differs between lives is a placeholder. A serial number, such as the number of an
    event, is the number of the life followed by three digits.
    """

    def __init__(self, cursor: Any, life: Callable[[], Any]) -> None:
        self.begin = datetime.now(UTC).replace(second=0, microsecond=0)
        self.moments: dict[str, tuple[timedelta, str, int]] = {}
        self.serials: dict[tuple[type[Model], str], str] = {}
        live(life)
        rows = {model: self._rows(cursor, model) for model in _models()}
        ulids = sorted(set(_ULID.findall(str(rows))))
        self.ulids = {ulid: f"%(stem)s{n:04}" for n, ulid in enumerate(ulids)}
        self.text = {
            model: "".join(self._row(model, row) for row in its)
            for model, its in rows.items()
            if its
        }
        _truncate(cursor)

    def _rows(self, cursor: Any, model: type[Model]) -> list[str]:
        with cursor.copy(f"COPY {_table(model)} TO STDOUT") as copy:
            return b"".join(copy).decode().splitlines()

    def _row(self, model: type[Model], row: str) -> str:
        values = row.replace("%", "%%").split("\t")
        for n, field in enumerate(model._meta.local_concrete_fields):
            target = field.target_field if field.is_relation else field
            if isinstance(target, AutoField) and target.primary_key and values[n] != r"\N":
                place = (target.model, values[n])
                values[n] = self.serials.setdefault(place, f"%(life)s{len(self.serials):03}")
        text = "\t".join(values) + "\n"
        text = _ULID.sub(lambda found: self.ulids[found[0]], text)
        text = _PARCEL.sub("SB%(padded)s", text)
        text = _NUMBER.sub(r"\1%(life)s", text)
        text = _MOMENT.sub(self._moment, text)
        return text.replace(EMAIL, "%(customer)s@example.com").replace(CUSTOMER, "%(customer)s")

    def _moment(self, found: re.Match[str]) -> str:
        day, separator, minute = found.groups()
        moment = datetime.fromisoformat(f"{day}T{minute or '00:00'}+00:00")
        offset = moment - (self.begin if minute else self.begin.replace(hour=0, minute=0))
        name = f"{separator}{offset}"
        length = 16 if minute else 10
        self.moments[name] = offset, separator or "T", length
        return f"%({name})s"

    def values(self, life: int, begin: datetime) -> dict[str, Any]:
        """Return the values of the placeholders of a copy."""
        values = {
            "life": life,
            "padded": f"{life:012}",
            "stem": f"{str(ULID.from_datetime(begin))[:10]}{life:012}",
            "customer": f"cust_{life % CUSTOMERS}",
        }
        for name, (offset, separator, length) in self.moments.items():
            values[name] = (begin + offset).isoformat(separator)[:length]
        return values


def _drop_indexes(cursor: Any) -> list[str]:
    """Drop the indexes and constraints; return the statements that create them again."""
    cursor.execute(
        "SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,"
        " pg_get_constraintdef(oid)), format('ALTER TABLE %s DROP CONSTRAINT %I',"
        " conrelid::regclass, conname) FROM pg_constraint WHERE contype IN ('f', 'u')"
        " AND connamespace = 'public'::regnamespace ORDER BY contype"
    )
    constraints = cursor.fetchall()
    for _, drop in constraints:
        cursor.execute(drop)
    cursor.execute(
        "SELECT pg_get_indexdef(indexrelid), format('DROP INDEX %s', indexrelid::regclass)"
        " FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE NOT indisprimary AND relnamespace = 'public'::regnamespace"
    )
    indexes = cursor.fetchall()
    for _, drop in indexes:
        cursor.execute(drop)
    return [make for make, _ in indexes + constraints[::-1]]  # a foreign key follows its target


def _copy(cursor: Any, patterns: dict[Callable[[], Any], Pattern]) -> None:
    """Fill the tables in the transaction that empties them, so that the rows need no VACUUM."""
    start, apart = datetime.now(UTC) - PERIOD, PERIOD / ORDERS
    with transaction.atomic():
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers
        _truncate(cursor)
        for first in range(1, ORDERS + 1, BATCH_SIZE):
            copies = []
            for life in range(first, first + BATCH_SIZE):
                kinds = ENDED if life <= ORDERS - STILL_OPEN else OPEN
                pattern = patterns[kinds[life % 4]]
                copies.append((pattern.text, pattern.values(life, start + life * apart)))
            for model in _models():
                rows = (text[model] % values for text, values in copies if model in text)
                _write(cursor, model, rows)
            if (first + BATCH_SIZE - 1) % 100_000 == 0:
                _report(f"{first + BATCH_SIZE - 1:,} orders")


def _write(cursor: Any, model: type[Model], rows: Iterator[str]) -> None:
    if text := "".join(rows):
        with cursor.copy(f"COPY {_table(model)} FROM STDIN (FREEZE)") as copy:
            copy.write(text)


def _table(model: type[Model]) -> str:
    """Return the table and its columns, in the model's order."""
    columns = (f'"{field.column}"' for field in model._meta.local_concrete_fields)
    return f"{model._meta.db_table} ({', '.join(columns)})"
