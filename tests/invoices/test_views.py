"""The API of invoices, and the signed URLs of their PDFs."""

from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.core import signing
from django.utils import timezone

from invoices.models import Document, InvoiceDelivery
from tests.factories import InvoiceFactory, LineFactory, credit, deliver_documents

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def path(invoice, verb=""):
    return f"/api/v1/invoices/{invoice.id}{verb}"


def test_an_invoice_is_returned_as_it_was_issued(api):
    invoice = credit(InvoiceFactory(), "10.00")
    shown = api.get(path(invoice)).json()
    assert (shown["number"], shown["status"], shown["total"]) == (invoice.number, "issued", "50.00")
    assert shown["seller"] == {"name": "Order Service"}
    assert shown["buyer"]["name"] == "Juan Pérez"
    (line,) = shown["lines"]
    assert (line["title"], line["unit_price"], line["net"]) == ("A shirt", "25.00", "50.00")
    (note,) = shown["credit_notes"]
    assert (note["total"], note["pdf_url"]) == ("10.00", None)
    assert note["lines"] == [
        {
            "kind": "goodwill",
            "line": None,
            "title": "Goodwill",
            "variant_id": None,
            "quantity": 0,
            "net": "10.00",
            "tax_rate": "0",
            "taxes": [],
            "tax": "0.00",
            "total": "10.00",
        }
    ]
    mails = [(mail["credit_note_id"], mail["recipient_email"]) for mail in shown["deliveries"]]
    assert mails == [(None, "juan@example.com"), (note["id"], "juan@example.com")]
    assert (shown["pdf_url"], shown["allowed_actions"]) == (
        None,
        ["send", "revoke-links", "reissue"],
    )


def test_the_pdf_is_returned_once_it_is_rendered(api):
    invoice = InvoiceFactory()
    early = api.get(path(invoice, "/pdf"))
    assert (early.status_code, early.json()["code"]) == (409, "not_rendered")
    assert "Retry in a few seconds" in early.json()["detail"]
    deliver_documents()
    for accept in ("application/pdf", "application/json", "*/*"):
        response = api.get(path(invoice, "/pdf"), headers={"Accept": accept})
        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")
        assert response.content.startswith(b"%PDF")
    assert response["Content-Disposition"] == f'inline; filename="{invoice.number}.pdf"'


def test_a_signed_url_opens_the_pdf_without_a_token(api, client):
    invoice = credit(InvoiceFactory(), "10.00")
    deliver_documents()
    shown = api.get(path(invoice)).json()
    for row in (shown, shown["credit_notes"][0]):
        url = urlsplit(row["pdf_url"])
        assert f"{url.scheme}://{url.netloc}" == "http://localhost:8000"
        response = client.get(url.path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")
        assert row["number"] in response["Content-Disposition"]


def test_a_signed_url_expires_after_thirty_days(api, client, monkeypatch):
    invoice = InvoiceFactory()
    deliver_documents()
    url = urlsplit(api.get(path(invoice)).json()["pdf_url"]).path
    signed_at = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: signed_at + 29 * 86400)
    assert client.get(url).status_code == 200
    monkeypatch.setattr(signing.time, "time", lambda: signed_at + 31 * 86400)
    late = client.get(url)
    assert (late.status_code, late.json()["code"]) == (410, "link_expired")
    assert "a new link" in late.json()["detail"]


def test_a_forged_url_is_not_found(api, client):
    mine, other = InvoiceFactory(), InvoiceFactory(organization_id="org_2")
    deliver_documents()
    url = urlsplit(api.get(path(mine)).json()["pdf_url"]).path
    document = {row.invoice_id: row.id for row in Document.objects.all()}
    unknown = signing.TimestampSigner(salt="invoices.document").sign("doc_0")
    for forged in (
        url.replace(document[mine.id], document[other.id]),
        url[:-1],
        "/api/v1/documents/x",
        f"/api/v1/documents/{unknown}",
        f"/api/v1/documents/{signing.TimestampSigner().sign(document[other.id])}",
    ):
        response = client.get(forged)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_an_invoice_is_sent_to_the_buyer_or_to_the_address_of_the_request(api):
    invoice = InvoiceFactory(status="sent")
    assert api.post(path(invoice, "/send")).status_code == 200
    shown = api.post(path(invoice, "/send"), {"recipient_email": "office@example.com"}).json()
    queued = [d["recipient_email"] for d in shown["deliveries"] if d["status"] == "queued"]
    assert queued == ["juan@example.com", "office@example.com"]


def test_a_repeated_send_queues_one_mail(api):
    invoice = InvoiceFactory(status="sent")
    for _ in range(2):
        key = {"Idempotency-Key": "again"}
        assert api.post(path(invoice, "/send"), headers=key).status_code == 200
    assert InvoiceDelivery.objects.filter(invoice=invoice).count() == 2


def test_an_invoice_without_an_address_is_not_sent(api):
    invoice = InvoiceFactory(customer_email=None)
    nowhere = api.post(path(invoice, "/send"))
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "address_required")
    wrong = api.post(path(invoice, "/send"), {"recipient_email": "not an address"})
    assert wrong.json()["errors"] == {"recipient_email": ["Enter a valid email address."]}


def test_lists_are_filtered(api):
    one = InvoiceFactory(customer_id="cust_1", status="sent")
    two = InvoiceFactory(customer_id="cust_2")
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    for query, found in (
        ({"order": one.order_id}, [one]),
        ({"number": two.number}, [two]),
        ({"customer": "cust_2"}, [two]),
        ({"status": "sent"}, [one]),
        ({"issued_before": later}, [two, one]),
        ({"issued_after": later}, []),
        ({"updated_since": later}, []),
    ):
        results = api.get("/api/v1/invoices", query).json()["results"]
        assert [row["id"] for row in results] == [invoice.id for invoice in found], query


def test_amounts_and_tax_rates_have_no_trailing_zeros(api):
    line = LineFactory(unit_price=Decimal(1300), tax_rate=Decimal("0.10"))
    shown = api.get(path(InvoiceFactory(currency="JPY", items=[line]))).json()
    assert (shown["total"], shown["rates"][0]["tax_rate"]) == ("2860", "0.1")
