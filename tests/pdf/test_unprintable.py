"""A document with a character in no font: operators see why, the order goes on, a font mends it."""

from pathlib import Path

import pytest
from django.urls import reverse

from config.pdf import rendering
from invoices.models import Document
from tests.documents import text_of
from tests.factories import InvoiceFactory, credit, deliver_documents
from tests.fulfillment.factories import FulfillmentFactory
from tests.shipments.factories import create, label, packed

pytestmark = pytest.mark.django_db

TO = {"name": "สมชาย", "line1": "1 Main Street", "city": "Bangkok", "country": "TH"}


@pytest.fixture(autouse=True)
def add_font(settings, tmp_path, monkeypatch):
    """Print without the Thai font; return a function that adds it as an operator would."""
    fonts, added = tmp_path / "fonts", tmp_path / "added"
    for folder in (fonts, added):
        folder.mkdir()
    for font in rendering.FONTS.glob("Noto*"):
        if "Thai" not in font.name and "CJK" not in font.name:
            (fonts / font.name).symlink_to(font)
    settings.DOCUMENT_FONTS = str(added)
    thai = Path(rendering.FONTS, "NotoSansThai-Regular.ttf")
    monkeypatch.setattr(rendering, "FONTS", fonts)
    return lambda: (added / thai.name).symlink_to(thai)


def queue(client, model, key):
    """Return the rows in a work queue of the admin."""
    page = client.get(reverse(f"admin:{model}_changelist"), {"queue": key})
    return [row.pk for row in page.context["cl"].queryset]


def page(client, model, row):
    return client.get(reverse(f"admin:{model}_change", args=[row.pk])).content.decode()


def test_an_invoice_and_its_credit_note_are_listed_until_a_font_is_added(
    operator, mailbox, add_font
):
    client = operator()
    invoice = credit(InvoiceFactory(shipping_address=TO), "1")
    deliver_documents()
    assert queue(client, "invoices_invoice", "unsent") == [invoice.pk]
    shown = page(client, "invoices_invoice", invoice)
    assert shown.count("“ส” (U+0E2A) in parties[1].lines.name is in no font.") == 2
    assert (invoice.order.status, mailbox.mails) == ("confirmed", [])
    add_font()
    latest = max(Document.objects.values_list("due_at", flat=True))
    while deliver_documents(now=latest.isoformat()):
        pass
    assert queue(client, "invoices_invoice", "unsent") == []
    assert len(mailbox.mails) == 2
    for mail in mailbox.mails:
        (pdf,) = mail.iter_attachments()
        assert "สมชาย" in text_of(pdf.get_content())[0]
    assert Document.objects.filter(rendered_at=None).count() == 0


def test_a_shipment_is_listed_until_its_label_is_bought_with_a_further_font(operator, add_font):
    client, model = operator(), "shipments_shipment"
    refused = label(create(packed(shipping_address=TO)))
    assert (refused.status, queue(client, model, "labels")) == ("created", [refused.pk])
    assert "(U+0E2A) in recipient.name is in no font" in page(client, model, refused)
    assert refused.order.status == "processing"
    add_font()
    assert label(refused).status == "label_created"
    assert queue(client, model, "labels") == []


@pytest.mark.parametrize(("name", "status"), [("pick-list", "started"), ("packing-slip", "packed")])
def test_a_warehouse_reads_why_until_a_font_is_added(operator, api, add_font, name, status):
    client, row = operator(), FulfillmentFactory(status=status, shipping_address=TO)
    change = reverse("admin:fulfillment_fulfillment_change", args=[row.pk])
    url = reverse("admin:fulfillment_fulfillment_print", args=[row.pk, name])
    error = "“ส” (U+0E2A) in parties[0].lines.name is in no font. Add one to DOCUMENT_FONTS."
    shown = client.get(url, follow=True)
    assert shown.redirect_chain == [(change, 302)]
    assert error in shown.content.decode()
    problem = api.get(f"/api/v1/fulfillments/{row.pk}/{name}")
    assert (problem.status_code, problem.json()["code"]) == (422, "not_printable")
    assert problem.json()["detail"] == error
    add_font()
    assert "สมชาย" in text_of(client.get(url).content)[0]
