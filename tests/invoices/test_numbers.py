"""Numbers without gaps, and the command that checks them."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from config.core.models import NumberSeries
from invoices import services
from invoices.models import CreditNote, Invoice
from tests.factories import InvoiceFactory, OrderFactory, credit
from tests.parallel import at_once


@pytest.fixture
def set_year(monkeypatch):
    """Return a function that sets the clock to June 1 of a year."""

    def to(year):
        monkeypatch.setattr(timezone, "now", lambda: datetime(year, 6, 1, tzinfo=UTC))

    return to


class Undone(Exception):
    """An error after the invoice was issued."""


@pytest.mark.django_db(transaction=True)
def test_rollbacks_of_concurrent_invoices_leave_no_gaps():
    orders = [OrderFactory(status="confirmed") for _ in range(50)]

    def issue(n):
        for order in orders[n::25]:
            try:
                with transaction.atomic():
                    services.issue_invoice(order_id=order.id)
                    if orders.index(order) % 3 == 0:
                        raise Undone
            except Undone:
                pass

    at_once(25, issue)
    issued = list(Invoice.objects.order_by("number"))
    assert [int(invoice.number[-4:]) for invoice in issued] == list(range(1, 34))
    assert issued == sorted(issued, key=lambda invoice: invoice.issued_at)
    assert "33 numbers" in check()


@pytest.mark.django_db(transaction=True)
def test_concurrent_calls_issue_one_invoice_per_order():
    order = OrderFactory(status="confirmed")
    numbers = at_once(8, lambda n: services.issue_invoice(order_id=order.id).number)
    assert len(set(numbers)) == 1
    assert NumberSeries.objects.get(series="INV").last == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_refunds_never_credit_more_than_the_invoice():
    invoice = InvoiceFactory()  # of 50.00
    at_once(8, lambda n: credit(invoice, "20.00", f"ref_{n}").id)
    totals = CreditNote.objects.order_by("number").values_list("total", flat=True)
    assert list(totals) == [20, 20, 10]


@pytest.mark.django_db
def test_each_year_and_each_organization_starts_at_one(set_year):
    numbers = []
    for year in (2025, 2026):
        set_year(year)
        numbers += [InvoiceFactory().number, InvoiceFactory(organization_id="org_2").number]
        credit(Invoice.objects.latest("id"), "1.00", f"ref_{year}")
    assert numbers == ["INV-2025-0001"] * 2 + ["INV-2026-0001"] * 2
    notes = CreditNote.objects.order_by("id").values_list("number", flat=True)
    assert list(notes) == ["CN-2025-0001", "CN-2026-0001"]


@pytest.mark.django_db
def test_waiting_for_the_lock_over_new_year_gives_a_number_of_the_new_year(set_year, monkeypatch):
    set_year(2025)
    monkeypatch.setattr(services, "lock", lambda name: set_year(2026))
    invoice = InvoiceFactory()
    assert (invoice.number, invoice.issued_at.year) == ("INV-2026-0001", 2026)


def check(*arguments):
    out = StringIO()
    call_command("check_invoice_numbers", *arguments, stdout=out)
    return out.getvalue()


def errors(*arguments):
    err = StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("check_invoice_numbers", *arguments, stderr=err)
    assert refused.value.returncode == 1
    return err.getvalue().splitlines()


@pytest.mark.django_db
def test_the_command_names_missing_numbers(set_year):
    set_year(2025)
    assert check() == "Checked 0 numbers: none is missing, none is used twice.\n"
    for _ in range(3):
        InvoiceFactory()
    credit(InvoiceFactory(organization_id="org_2"), "1.00")
    assert check() == "Checked 5 numbers: none is missing, none is used twice.\n"
    NumberSeries.objects.filter(organization_id="org_1").update(last=5)
    NumberSeries.objects.filter(organization_id="org_2", series="CN").delete()
    assert errors() == [
        "org_1: INV-2025-0004 is missing.",
        "org_1: INV-2025-0005 is missing.",
        "org_2: CN-2025-0001 was not taken from the counter.",
    ]
    assert errors("--organization", "org_1") == errors()[:2]


@pytest.mark.django_db
def test_the_command_names_numbers_that_are_used_twice(set_year):
    set_year(2025)
    with connection.cursor() as cursor:  # as after a manual repair
        cursor.execute("ALTER TABLE invoices_invoice DROP CONSTRAINT invoice_number")
    InvoiceFactory()
    NumberSeries.objects.filter(series="INV").update(last=0)
    InvoiceFactory()
    assert errors() == ["org_1: INV-2025-0001 is used 2 times."]
