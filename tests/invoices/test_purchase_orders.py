"""The number of the buyer's own order, on an invoice and everything about it."""

from datetime import timedelta

import pytest
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from invoices import documents, einvoices, services
from invoices.models import Document, Invoice
from orders.models import Order
from tests.documents import text_of
from tests.factories import ADDRESS, InvoiceFactory, credit
from tests.invoices.test_einvoices import BUYER, broken_rules, issue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

NUMBER = "PO-4500/17 (Łódź)"


@pytest.mark.parametrize(("locale", "label"), [("en", "Purchase order"), ("es", "Orden de compra")])
def test_an_invoice_and_its_credit_notes_print_it(locale, label):
    invoice = credit(InvoiceFactory(purchase_order_number=NUMBER, locale=locale), "1.00")
    for document in Document.objects.filter(invoice=invoice):
        (page,) = text_of(documents.render(document))
        assert f"{label} {NUMBER}" in " ".join(page.split())
        assert invoice.order_number in page


def test_an_invoice_without_one_prints_no_label():
    InvoiceFactory()
    (page,) = text_of(documents.render(Document.objects.get()))
    assert "Purchase order" not in page


def test_the_electronic_invoice_names_it_and_stays_valid():
    invoice = credit(issue(purchase_order_number=NUMBER), "13")
    for note in (None, invoice.credit_notes[0]):
        xml = einvoices.xml(invoice, note)
        assert broken_rules(xml) == []
        assert "BuyerOrderReferencedDocument" in xml
        buyers = xml.partition("BuyerOrderReferencedDocument>")[2]
        assert NUMBER in buyers.partition("BuyerOrderReferencedDocument>")[0]
        sellers = xml.partition("SellerOrderReferencedDocument>")[2]
        assert invoice.order_number in sellers.partition("SellerOrderReferencedDocument>")[0]


def test_an_invoice_is_found_by_it(api, operator):
    invoice = InvoiceFactory(purchase_order_number=NUMBER)
    InvoiceFactory(purchase_order_number="PO-4500")
    InvoiceFactory()
    found = api.get("/api/v1/invoices", {"purchase_order_number": NUMBER}).json()["results"]
    assert [(row["id"], row["purchase_order_number"]) for row in found] == [(invoice.id, NUMBER)]
    listed = operator().get(reverse("admin:invoices_invoice_changelist"), {"q": f'"{NUMBER}"'})
    assert [row.pk for row in listed.context["cl"].result_list] == [invoice.pk]
    page = operator(username="otto").get(
        reverse("admin:invoices_invoice_change", args=[invoice.id])
    )
    assert NUMBER in page.content.decode()


@pytest.mark.parametrize(
    ("of_order", "expected"), [(NUMBER, NUMBER), ("PO-1", "PO-1"), (None, NUMBER)]
)
def test_the_invoice_that_replaces_it_has_the_one_of_the_order(of_order, expected):
    """It may be corrected meanwhile. One that is erased stays on the invoice."""
    invoice = issue(purchase_order_number=NUMBER)
    QuerySet(Order).update(purchase_order_number=of_order)
    new = services.reissue_invoice(invoice_id=invoice.id, buyer=BUYER | {"company": "Żółć S.A."})
    assert (new.replaces_id, new.purchase_order_number) == (invoice.id, expected)


def test_it_is_deleted_with_the_buyer():
    InvoiceFactory(purchase_order_number=NUMBER, billing_address=ADDRESS)
    assert services.anonymize_old_invoices(now=timezone.now() + timedelta(days=366 * 12)) == 1
    invoice = Invoice.objects.get()
    assert (invoice.purchase_order_number, invoice.buyer) == (None, {})
