"""What operators do with invoices, page by page."""

import pytest
from django.urls import reverse
from django.utils import timezone

from invoices import services, tasks
from invoices.models import Document, InvoiceDelivery, Seller
from tests.factories import InvoiceFactory, credit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def page(invoice):
    return reverse("admin:invoices_invoice_change", args=[invoice.id])


def waiting(client, queue):
    listed = client.get(reverse("admin:invoices_invoice_changelist"), {"queue": queue})
    return [row.pk for row in listed.context["cl"].result_list]


def test_the_page_says_what_the_invoice_says(operator):
    invoice = credit(InvoiceFactory(), "10.00")
    shown = operator().get(page(invoice)).content.decode()
    for value in (invoice.number, "A shirt", "50.00 USD", "Juan Pérez", "10.00 USD", "CN-"):
        assert value in shown
    assert shown.count("not rendered yet") == 2


def test_the_pdfs_open_in_the_browser(operator):
    invoice = credit(InvoiceFactory(), "10.00")
    tasks.deliver_documents()
    client = operator()
    shown = client.get(page(invoice)).content.decode()
    for document in Document.objects.all():
        url = reverse("admin:invoices_pdf", args=[document.id])
        assert url in shown
        answer = client.get(url)
        assert (answer["Content-Type"], answer.content[:4]) == ("application/pdf", b"%PDF")
        assert answer["Content-Disposition"].startswith("inline")


def test_a_pdf_is_shown_to_who_may_see_invoices_only(operator, client):
    InvoiceFactory()
    document = Document.objects.get()
    url = reverse("admin:invoices_pdf", args=[document.id])
    assert operator("invoices.view_invoice", username="ina").get(url).status_code == 404
    tasks.deliver_documents()
    assert operator("invoices.view_invoice", username="ivo").get(url).status_code == 200
    assert operator("orders.view_order", username="oda").get(url).status_code == 403
    assert client.get(url).status_code == 302
    missing = reverse("admin:invoices_pdf", args=["doc_0"])
    assert operator().get(missing).status_code == 404


def test_an_operator_sends_it_again_to_another_address(operator):
    client, invoice = operator(), InvoiceFactory(status="sent")
    send = reverse("admin:invoices_invoice_command", args=[invoice.id, "send"])
    assert 'value="juan@example.com"' in client.get(send).content.decode()
    assert client.post(send, {"recipient_email": "office@example.com"}).status_code == 302
    queued = InvoiceDelivery.objects.get(invoice=invoice, status="queued")
    assert queued.recipient_email == "office@example.com"


def test_what_fails_waits_in_a_queue_with_its_reason(operator):
    failing, pending = InvoiceFactory(), InvoiceFactory()
    client, mail = operator(), failing.deliveries[0]
    services.put_off(mail, error="550 no such mailbox", at=timezone.now())
    assert waiting(client, "unsent") == [failing.id]
    assert "550 no such mailbox" in client.get(page(failing)).content.decode()
    document = Document.objects.get(invoice=pending)
    services.put_off(document, error="No space left on device", at=timezone.now())
    assert waiting(client, "unsent") == [pending.id, failing.id]
    assert "No space left on device" in client.get(page(pending)).content.decode()


def test_an_invoice_without_an_address_waits_until_somebody_gives_one(operator):
    client, invoice = operator(), InvoiceFactory(customer_email=None)
    InvoiceFactory()
    assert waiting(client, "no-address") == [invoice.id]
    services.send_invoice(invoice_id=invoice.id, recipient_email="ana@example.com")
    assert waiting(client, "no-address") == []


def test_the_seller_is_set_by_its_service(operator):
    client = operator()
    sent = {"organization_id": "org_1", "name": "Casa Luna", "tax_id": "CLU010101AB1"}
    assert client.post(reverse("admin:invoices_seller_add"), sent).status_code == 302
    assert Seller.objects.get(pk="org_1").profile() == {
        "name": "Casa Luna",
        "tax_id": "CLU010101AB1",
    }
    nameless = client.post(reverse("admin:invoices_seller_change", args=["org_1"]), {"name": ""})
    assert "This field is required" in nameless.content.decode()
