"""Numbers without a gap, whoever takes them, and the command that proves it."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from config.core.models import NumberSeries
from invoices import services
from invoices.models import CreditNote, Invoice
from invoices.services import issuing
from tests.factories import InvoiceFactory, OrderFactory, credit
from tests.parallel import at_once


@pytest.fixture
def travel(monkeypatch):
    """Return a function that goes to the first of June of a year."""

    def to(year):
        monkeypatch.setattr(timezone, "now", lambda: datetime(year, 6, 1, tzinfo=UTC))

    return to


class Undone(Exception):
    """Something goes wrong after the invoice was issued."""


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_of_which_a_third_is_rolled_back_leave_no_gap():
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
def test_an_order_confirmed_twice_at_once_has_one_invoice():
    order = OrderFactory(status="confirmed")
    answers = at_once(8, lambda n: services.issue_invoice(order_id=order.id).number)
    assert len(set(answers)) == 1
    assert NumberSeries.objects.get(series="INV").last == 1


@pytest.mark.django_db(transaction=True)
def test_refunds_at_once_never_credit_more_than_the_invoice():
    invoice = InvoiceFactory()  # of 50.00
    at_once(8, lambda n: credit(invoice, "20.00", f"ref_{n}").id)
    totals = CreditNote.objects.order_by("number").values_list("total", flat=True)
    assert list(totals) == [20, 20, 10]


@pytest.mark.django_db
def test_each_year_and_each_organization_counts_from_one(travel):
    numbers = []
    for year in (2025, 2026):
        travel(year)
        numbers += [InvoiceFactory().number, InvoiceFactory(organization_id="org_2").number]
        credit(Invoice.objects.latest("id"), "1.00", f"ref_{year}")
    assert numbers == ["INV-2025-0001"] * 2 + ["INV-2026-0001"] * 2
    notes = CreditNote.objects.order_by("id").values_list("number", flat=True)
    assert list(notes) == ["CN-2025-0001", "CN-2026-0001"]


@pytest.mark.django_db
def test_who_waits_for_a_number_over_new_year_gets_one_of_the_new_year(travel, monkeypatch):
    travel(2025)
    monkeypatch.setattr(issuing, "lock", lambda name: travel(2026))
    invoice = InvoiceFactory()
    assert (invoice.number, invoice.issued_at.year) == ("INV-2026-0001", 2026)


def check(*arguments):
    out = StringIO()
    call_command("check_invoice_numbers", *arguments, stdout=out)
    return out.getvalue()


def faults(*arguments):
    err = StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("check_invoice_numbers", *arguments, stderr=err)
    assert refused.value.returncode == 1
    return err.getvalue().splitlines()


@pytest.mark.django_db
def test_the_command_says_which_number_is_missing(travel):
    travel(2025)
    assert check() == "0 numbers: none is missing, none is there twice.\n"
    for _ in range(3):
        InvoiceFactory()
    credit(InvoiceFactory(organization_id="org_2"), "1.00")
    assert check() == "5 numbers: none is missing, none is there twice.\n"
    NumberSeries.objects.filter(organization_id="org_1").update(last=5)
    NumberSeries.objects.filter(organization_id="org_2", series="CN").delete()
    assert faults() == [
        "org_1: INV-2025-0004 is missing.",
        "org_1: INV-2025-0005 is missing.",
        "org_2: CN-2025-0001 was never given out.",
    ]
    assert faults("--organization", "org_1") == faults()[:2]


@pytest.mark.django_db
def test_the_command_says_which_number_is_there_twice(travel):
    travel(2025)
    with connection.cursor() as cursor:  # a database that was mended by hand
        cursor.execute("ALTER TABLE invoices_invoice DROP CONSTRAINT invoice_number")
    InvoiceFactory()
    NumberSeries.objects.filter(series="INV").update(last=0)
    InvoiceFactory()
    assert faults() == ["org_1: INV-2025-0001 is there 2 times."]
