"""The page of an invoice in a real browser: resent after a refusal, and on a phone."""

import pytest
from playwright.sync_api import Page, expect

from invoices.models import InvoiceDelivery
from tests.factories import InvoiceFactory, deliver_documents
from tests.mailbox import Mailbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]


def test_an_operator_sends_a_refused_invoice_to_another_address(operator: Page, mailbox: Mailbox):
    invoice = InvoiceFactory()
    mailbox.refused = {"juan@example.com"}
    deliver_documents()
    operator.goto("/admin/")
    operator.get_by_role("link", name="Invoices with a failed PDF or mail").click()
    operator.get_by_role("link", name=invoice.number).click()
    expect(operator.get_by_text("no such mailbox")).to_be_visible()
    link = operator.get_by_role("link", name=f"{invoice.number}.pdf")
    response = operator.request.get(str(link.get_attribute("href")))
    assert (response.headers["content-type"], response.body()[:4]) == ("application/pdf", b"%PDF")
    operator.get_by_role("link", name="Send").click()
    operator.get_by_label("Recipient's email").fill("office@example.com")
    operator.get_by_role("button", name="Send").click()
    expect(
        operator.get_by_text(f"Invoice {invoice.number} was queued for sending.")
    ).to_be_visible()
    expect(operator.locator(".console-timeline li").first).to_contain_text("office@example.com")
    assert InvoiceDelivery.objects.filter(recipient_email="office@example.com").count() == 1


def test_the_page_of_an_invoice_is_as_wide_as_a_phone(operator: Page):
    invoice = InvoiceFactory()
    operator.set_viewport_size({"width": 390, "height": 700})
    operator.goto(f"/admin/invoices/invoice/{invoice.id}/change/")
    expect(operator.get_by_role("table").first).to_contain_text("A shirt")
    assert operator.evaluate("document.documentElement.scrollWidth") == 390
