"""What a request has changed: triggers record every row that is written and committed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection

from config.core.models import NumberSeries
from tests.broker.conftest import wait_until

# Order and RMA numbers are taken in a transaction of their own, and may have gaps.
UNRELATED = {NumberSeries._meta.db_table}
CREATE = """
CREATE TABLE hostile_changes (name text);
CREATE FUNCTION hostile_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO hostile_changes VALUES (TG_OP || ' ' || TG_TABLE_NAME);
        RETURN NULL;
    END
$$;
"""
TRIGGER = """
CREATE TRIGGER hostile AFTER INSERT OR UPDATE OR DELETE ON {}
    FOR EACH ROW EXECUTE FUNCTION hostile_change();
"""
BUSY = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state NOT IN ('idle')
"""


@contextmanager
def recorded() -> Iterator[None]:
    """Record changes during the block."""
    tables = {model._meta.db_table for model in apps.get_models()} - UNRELATED
    with connection.cursor() as cursor:
        cursor.execute(CREATE + "".join(map(TRIGGER.format, sorted(tables))))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE hostile_changes; DROP FUNCTION hostile_change CASCADE")


def take() -> Counter[str]:
    """Return the changes since the last call: `INSERT orders_order`, and how often."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM hostile_changes RETURNING name")
        return Counter(name for (name,) in cursor.fetchall())


def wait_for_the_server() -> None:
    """Wait until no request is in the database: a response is not always the last act."""

    def is_idle() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(BUSY)
            return cursor.fetchone() is None

    wait_until(is_idle, "the server does not finish")
