"""The dates, the years and the days of an organization follow its time zone."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from invoices import documents, einvoices
from invoices.models import CreditNote, Document, Seller
from invoices.tasks import anonymize_old_invoices
from orders.models import Policy
from returns.exceptions import ReturnWindowClosed
from tests.documents import text_of
from tests.factories import (
    InvoiceFactory,
    OrderFactory,
    credit,
    deliver,
    deliver_documents,
    start_payment,
)
from tests.invoices.test_einvoices import BUYER, SELLER
from tests.log import event_data
from tests.returns.factories import request

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def at(monkeypatch):
    """Return a function that sets the clock."""

    def set_clock(text):
        now = datetime.fromisoformat(text).replace(tzinfo=UTC)
        monkeypatch.setattr(timezone, "now", lambda: now)
        return now

    return set_clock


@pytest.fixture
def zone():
    """Return a function that sets the time zone of `org_1`."""
    return lambda name: Policy.objects.update_or_create(pk="org_1", defaults={"time_zone": name})


@pytest.mark.parametrize(
    ("name", "moment", "date"),
    [
        ("America/Sao_Paulo", "2026-01-01T02:59:59", "2025-12-31"),
        ("America/Sao_Paulo", "2026-01-01T03:00:00", "2026-01-01"),
        ("Pacific/Auckland", "2025-12-31T10:59:59", "2025-12-31"),
        ("Pacific/Auckland", "2025-12-31T11:00:00", "2026-01-01"),
        ("UTC", "2026-01-01T02:59:59", "2026-01-01"),
    ],
)
def test_numbers_and_documents_have_the_year_and_the_date_of_the_zone(
    at, zone, api, name, moment, date
):
    Seller.objects.create(organization_id="org_1", **SELLER)
    zone(name)
    at(moment)
    invoice = credit(InvoiceFactory(billing_address=BUYER), "1.00")
    delivered = deliver(OrderFactory(status="shipped"))
    shown = api.get(f"/api/v1/invoices/{invoice.id}").json()
    year = date[:4]
    assert invoice.number == f"INV-{year}-0001"
    assert (shown["issued_on"], shown["issued_at"]) == (date, f"{moment}Z")
    assert shown["credit_notes"][0]["issued_on"] == date
    assert CreditNote.objects.get().number == f"CN-{year}-0001"
    assert invoice.order_number.startswith(f"ORD-{year}-")
    assert request(delivered, 1).rma_number == f"RMA-{year}-0001"
    deliver_documents()
    for document in Document.objects.all():
        pdf = documents.render(document)
        words = " ".join(text_of(pdf))
        assert ("Dec 31, 2025" in words) == (year == "2025")
        assert ("Jan 1, 2026" in words) == (year == "2026")
        assert date.replace("-", "").encode() in (einvoices.extract(pdf) or b"")


def test_an_issued_invoice_keeps_its_dates_when_the_organization_moves(at, zone):
    zone("America/Sao_Paulo")
    at("2026-01-01T02:00:00")
    invoice = InvoiceFactory()
    document = Document.objects.get(invoice=invoice)
    before = documents.render(document)
    zone("Asia/Tokyo")
    document = Document.objects.get(invoice=invoice)
    assert documents.render(document) == before
    assert "Dec 31, 2025" in text_of(before)[0]
    # A credit note of the same order has the same clock; a new order has the new one.
    assert credit(invoice, "1.00").credit_notes[0].number == "CN-2025-0001"
    assert InvoiceFactory().number == "INV-2026-0001"


@pytest.mark.parametrize(
    ("name", "moment", "is_open"),
    [
        ("Europe/Madrid", "2026-03-31T21:59:59", True),
        ("Europe/Madrid", "2026-03-31T22:00:00", False),
        ("America/Sao_Paulo", "2026-04-01T02:59:59", True),
        ("America/Sao_Paulo", "2026-04-01T03:00:00", False),
        ("UTC", "2026-03-31T23:59:59", True),
        ("UTC", "2026-04-01T00:00:00", False),
    ],
)
def test_a_return_window_ends_with_its_last_day(at, zone, name, moment, is_open):
    """Delivered on March 1, with a change to summer time in Madrid on March 29."""
    zone(name)
    delivered_at = at("2026-03-01T22:30:00")
    order = deliver(OrderFactory(status="shipped"), at=delivered_at)
    at(moment)
    if is_open:
        assert request(order, 1).status == "requested"
    else:
        with pytest.raises(ReturnWindowClosed, match="on 2026-03-01 and could be"):
            request(order, 1)


@pytest.mark.parametrize(
    ("name", "until", "minutes"),
    [
        ("Europe/Madrid", "2026-04-01T11:00:00", 7 * 24 * 60 - 60),
        ("UTC", "2026-04-01T12:00:00", 7 * 24 * 60),
    ],
)
def test_an_order_waits_for_a_transfer_until_the_same_time_of_day(at, zone, name, until, minutes):
    zone(name)
    at("2026-03-25T12:00:00")
    order = OrderFactory(payment_method="manual")
    assert event_data(order, "order.placed")["reservation_ttl_minutes"] == minutes
    assert order.reservation_expires_at == at(until)
    at("2026-03-25T12:00:00")
    later = OrderFactory()
    start_payment(later, method="manual")
    later.refresh_from_db()
    assert later.reservation_expires_at >= at(until)


def test_an_order_keeps_the_clock_that_it_was_opened_with(at, zone):
    at("2026-03-01T22:30:00")
    zone("America/Sao_Paulo")
    order = deliver(OrderFactory(status="shipped"), at=timezone.now())
    zone("Europe/Madrid")
    at("2026-04-01T02:59:59")
    assert request(order, 1).status == "requested"


@pytest.mark.parametrize(
    ("name", "issued", "required", "over"),
    [
        ("America/Sao_Paulo", "2026-01-01T02:30:00", "2036-01-01T02:59:59", "2036-01-01T03:00:00"),
        ("America/Sao_Paulo", "2026-01-01T03:00:00", "2037-01-01T02:59:59", "2037-01-01T03:00:00"),
        ("Asia/Tokyo", "2025-12-31T18:00:00", "2036-12-31T14:59:59", "2037-01-01T00:00:00"),
    ],
)
def test_an_invoice_is_kept_for_ten_years_after_the_year_of_its_number(
    at, zone, name, issued, required, over
):
    zone(name)
    at(issued)
    InvoiceFactory()
    assert anonymize_old_invoices(f"{required}Z") == 0
    assert anonymize_old_invoices(f"{over}Z") == 1
