"""The triggers that refuse changes of issued invoices, on PostgreSQL and on SQLite."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from invoices.models import CreditNote, Invoice
from tests.devserver.conftest import environment
from tests.factories import InvoiceFactory, credit

CHANGES = {
    "number": "'INV-2025-9999'",
    "organization_id": "'org_2'",
    "order_number": "'ORD-2025-9999'",
    "ordered_at": "'2025-01-01 00:00:00+00:00'",
    "customer_id": "'cust_0'",
    "customer_email": "NULL",
    "locale": "'es'",
    "currency": "'EUR'",
    "tax_inclusive": "true, total = total - tax",
    "delivery_country": "'DE'",
    "seller": "'{}'",
    "buyer": "'{}'",
    "lines": "'[]'",
    "rates": "'[]'",
    "subtotal": "subtotal + 1, total = total + 1",
    "discount": "1, total = total - 1",
    "tax": "tax + 1, total = total + 1",
    "total": "total + 1",
    "purchase_order_number": "'PO-7'",
    "payment_terms": "'invoice'",
    "due": "1",
    "due_on": "'2025-01-01'",
    "issued_at": "'2025-01-01 00:00:00+00:00'",
    "time_zone": "'Asia/Tokyo'",
    "replaces_id": "id",
    "created_at": "'2025-01-01 00:00:00+00:00'",
    "anonymized_at": "'2036-01-01 00:00:00+00:00'",
}
ANONYMIZE = "anonymized_at = '2036-01-01 00:00:00+00:00', customer_email = NULL, buyer = '{}'"
CREDIT_NOTE_CHANGES = ("number = 'CN-1'", "total = total + 1, net = net + 1", "rates = '[]'")


def test_the_statements_cover_every_immutable_column():
    columns = {field.column for field in Invoice._meta.local_concrete_fields}
    mutable = {"status", "sent_at", "updated_at", "replaced_by_id"}
    assert columns - CHANGES.keys() == {"id", "order_id", *mutable}


STATEMENTS = [
    *(f"UPDATE invoices_invoice SET {name} = {to}" for name, to in CHANGES.items()),
    *(f"UPDATE invoices_creditnote SET {change}" for change in CREDIT_NOTE_CHANGES),
    f"UPDATE invoices_invoice SET {ANONYMIZE}, tax = tax + 1, total = total + 1",
    "UPDATE invoices_invoice SET replaced_by_id = id, seller = '{}'",
    f"UPDATE invoices_invoice SET {ANONYMIZE}, replaced_by_id = id",
    f"UPDATE invoices_invoice SET {ANONYMIZE}, purchase_order_number = 'PO-7'",
    f"UPDATE invoices_invoice SET {ANONYMIZE}, seller = '{{}}'",
    "DELETE FROM invoices_creditnote",
    "DELETE FROM invoices_invoice",
]


@pytest.mark.django_db
def test_postgresql_refuses_changes(subtests):
    credit(InvoiceFactory(), "1.00")
    for sql in STATEMENTS:
        with (
            subtests.test(sql),
            pytest.raises(DatabaseError, match="is issued and never changes"),
            transaction.atomic(),
        ):
            connection.cursor().execute(sql)


@pytest.mark.django_db
def test_postgresql_allows_to_anonymize_once():
    InvoiceFactory()
    connection.cursor().execute(f"UPDATE invoices_invoice SET {ANONYMIZE}")
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        connection.cursor().execute("UPDATE invoices_invoice SET anonymized_at = now()")


@pytest.mark.django_db
def test_postgresql_allows_to_replace_once():
    InvoiceFactory()
    connection.cursor().execute("UPDATE invoices_invoice SET replaced_by_id = id")
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        connection.cursor().execute("UPDATE invoices_invoice SET replaced_by_id = NULL")


@pytest.mark.django_db
def test_the_orm_is_refused_too():
    invoice = credit(InvoiceFactory(), "1.00")
    invoice.total += 1
    invoice.subtotal += 1
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        invoice.save()
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        CreditNote.objects.update(reason="other")
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        CreditNote.objects.all()._raw_delete("default")


SCRIPT = """
import django
django.setup()
from tests.factories import InvoiceFactory, credit
invoice = credit(InvoiceFactory(status="sent"), "1.00")
invoice.save()
assert invoice.status == "sent"
"""


def replacements(database):
    """Return statements that replace rows without an UPDATE."""
    for table in ("invoices_invoice", "invoices_creditnote"):
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        forged = ", ".join("'CN-X'" if name == "number" else name for name in columns)
        yield f"INSERT OR REPLACE INTO {table} SELECT {forged} FROM {table}"


def test_sqlite_refuses_changes(tmp_path, subtests):
    """The database file of `make run`, with an invoice and a credit note."""
    (tmp_path / "var").mkdir()
    env = environment(tmp_path, DJANGO_SETTINGS_MODULE="config.settings")
    for command in (["manage.py", "migrate", "-v0"], ["-c", SCRIPT]):
        subprocess.run([sys.executable, *command], env=env, cwd=settings.BASE_DIR, check=True)
    with closing(sqlite3.connect(tmp_path / "var" / "orders.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM invoices_creditnote").fetchone() == (1,)
        for sql in [*STATEMENTS, *replacements(database)]:
            with (
                subtests.test(sql),
                pytest.raises(sqlite3.IntegrityError, match="is issued and never changes"),
            ):
                database.execute(sql)
        database.execute("UPDATE invoices_invoice SET replaced_by_id = id")
        with pytest.raises(sqlite3.IntegrityError, match="is issued and never changes"):
            database.execute("UPDATE invoices_invoice SET replaced_by_id = NULL")
        database.execute(f"UPDATE invoices_invoice SET {ANONYMIZE}")
        with pytest.raises(sqlite3.IntegrityError, match="is issued and never changes"):
            database.execute("UPDATE invoices_invoice SET anonymized_at = NULL")
