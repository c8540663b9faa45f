"""The admin pages of invoices."""

import pytest
from django.urls import reverse

from invoices import files, services
from invoices.models import Document, InvoiceDelivery, Seller
from tests.documents import text_of
from tests.factories import InvoiceFactory, LineFactory, credit, deliver_documents

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def page(invoice):
    return reverse("admin:invoices_invoice_change", args=[invoice.id])


def queued(client, queue):
    listed = client.get(reverse("admin:invoices_invoice_changelist"), {"queue": queue})
    return [row.pk for row in listed.context["cl"].result_list]


def test_the_page_shows_the_invoice(operator):
    invoice = credit(InvoiceFactory(), "10.00")
    shown = operator().get(page(invoice)).content.decode()
    for value in (invoice.number, "A shirt", "50.00 USD", "Juan Pérez", "10.00 USD", "CN-"):
        assert value in shown
    assert shown.count("not rendered yet") == 2


def test_the_pdfs_are_linked_and_open(operator):
    invoice = credit(InvoiceFactory(), "10.00")
    deliver_documents()
    client = operator()
    shown = client.get(page(invoice)).content.decode()
    for document in Document.objects.all():
        url = reverse("admin:invoices_pdf", args=[document.id])
        assert url in shown
        response = client.get(url)
        assert (response["Content-Type"], response.content[:4]) == ("application/pdf", b"%PDF")
        assert response["Content-Disposition"].startswith("inline")


def test_a_pdf_needs_the_permission_to_view_invoices(operator, client):
    InvoiceFactory()
    document = Document.objects.get()
    url = reverse("admin:invoices_pdf", args=[document.id])
    assert operator("invoices.view_invoice", username="ina").get(url).status_code == 404
    deliver_documents()
    assert operator("invoices.view_invoice", username="ivo").get(url).status_code == 200
    assert operator("orders.view_order", username="oda").get(url).status_code == 403
    assert client.get(url).status_code == 302
    missing = reverse("admin:invoices_pdf", args=["doc_0"])
    assert operator().get(missing).status_code == 404


def test_an_operator_sends_the_invoice_to_another_address(operator):
    client, invoice = operator(), InvoiceFactory(status="sent")
    send = reverse("admin:invoices_invoice_command", args=[invoice.id, "send"])
    assert 'value="juan@example.com"' in client.get(send).content.decode()
    assert client.post(send, {"recipient_email": "office@example.com"}).status_code == 302
    queued = InvoiceDelivery.objects.get(invoice=invoice, status="queued")
    assert queued.recipient_email == "office@example.com"


def test_failures_are_in_a_queue_with_their_error(operator, mailbox, monkeypatch):
    client, failing = operator(), InvoiceFactory()
    mailbox.refused = {"juan@example.com"}
    deliver_documents()
    assert queued(client, "unsent") == [failing.id]
    assert "no such mailbox" in client.get(page(failing)).content.decode()
    pending = InvoiceFactory()
    monkeypatch.setattr(files, "store", store_on_a_full_disk)
    deliver_documents()
    assert queued(client, "unsent") == [pending.id, failing.id]
    assert "No space left on device" in client.get(page(pending)).content.decode()


def store_on_a_full_disk(document):
    raise OSError("No space left on device")


def test_an_invoice_without_an_address_is_in_a_queue_until_it_is_sent(operator):
    client, invoice = operator(), InvoiceFactory(customer_email=None)
    InvoiceFactory()
    assert queued(client, "no-address") == [invoice.id]
    services.send_invoice(invoice_id=invoice.id, recipient_email="ana@example.com")
    assert queued(client, "no-address") == []


def test_the_seller_profile_is_edited(operator):
    client = operator()
    sent = {"organization_id": "org_1", "name": "Casa Luna", "tax_id": "CLU010101AB1"}
    assert client.post(reverse("admin:invoices_seller_add"), sent).status_code == 302
    assert Seller.objects.get(pk="org_1").profile() == {
        "name": "Casa Luna",
        "tax_id": "CLU010101AB1",
    }
    nameless = client.post(reverse("admin:invoices_seller_change", args=["org_1"]), {"name": ""})
    assert "This field is required" in nameless.content.decode()


def test_a_character_in_no_font_is_listed_and_the_order_and_other_invoices_go_on(operator):
    client = operator()
    invoice = InvoiceFactory(items=[LineFactory(title="A mug \ue000")], customer_email=None)
    fine = InvoiceFactory(customer_email=None)
    assert deliver_documents() == 1
    assert Document.objects.get(rendered_at__isnull=False).invoice == fine
    assert queued(client, "unsent") == [invoice.pk]
    error = "(U+E000) in lines[0].title is in no font."
    assert error in client.get(page(invoice)).content.decode()
    assert invoice.order.status == "confirmed"
    assert Document.objects.get(invoice=invoice).due_at, "it will be retried"


def test_the_page_says_why_a_document_has_no_electronic_invoice(operator):
    electronic = {"tax_id": "MX1", "country": "MX", "untaxed_reason": "x", "e_invoices": True}
    Seller.objects.create(organization_id="org_1", name="Casa Luna", **electronic)
    client, invoice = operator(), credit(InvoiceFactory(), "1")
    assert "CN-2026-0001: Embedded in the PDF." in client.get(page(invoice)).content.decode()
    fine = f"{invoice.number}: Embedded in the PDF."
    assert fine in client.get(page(invoice)).content.decode()
    dinars = InvoiceFactory(currency="KWD")
    shown = client.get(page(dinars)).content.decode()
    assert f"{dinars.number}: EN 16931 has no amounts of three decimals." in shown


def test_several_invoices_are_printed_as_one(operator):
    client, first, second = operator(), InvoiceFactory(), InvoiceFactory()
    rows = [first.pk, second.pk]
    sent = {"action": "print_invoices", "_selected_action": rows, "index": 0}
    listed = reverse("admin:invoices_invoice_changelist")
    refused = client.post(listed, sent, follow=True)
    assert [str(each) for each in refused.context["messages"]] == [
        f"{row.number}: The PDF is not rendered yet. Retry in a few seconds."
        for row in (first, second)
    ]
    deliver_documents()
    pages = text_of(client.post(listed, sent).content)
    assert [row.number in page for row, page in zip((first, second), pages, strict=True)]
