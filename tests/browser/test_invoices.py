"""An invoice that did not arrive, in a real browser."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from invoices import services, tasks
from invoices.models import InvoiceDelivery
from tests.factories import InvoiceFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]


def test_an_invoice_that_was_refused_is_found_looked_at_and_sent_elsewhere(operator: Page):
    invoice = InvoiceFactory()
    services.put_off(invoice.deliveries[0], error="550 no such mailbox", at=timezone.now())
    tasks.deliver_documents()
    operator.goto("/admin/")
    operator.get_by_role("link", name="Invoices whose mail or PDF fails").click()
    operator.get_by_role("link", name=invoice.number).click()
    expect(operator.get_by_text("550 no such mailbox")).to_be_visible()
    link = operator.get_by_role("link", name=f"{invoice.number}.pdf")
    answer = operator.request.get(str(link.get_attribute("href")))
    assert (answer.headers["content-type"], answer.body()[:4]) == ("application/pdf", b"%PDF")
    operator.get_by_role("link", name="Send").click()
    operator.get_by_label("Recipient email").fill("office@example.com")
    operator.get_by_role("button", name="Send").click()
    expect(operator.get_by_text(f"Send: done for {invoice.number}.")).to_be_visible()
    expect(operator.locator(".console-timeline li").first).to_contain_text("office@example.com")
    assert InvoiceDelivery.objects.filter(recipient_email="office@example.com").count() == 1
