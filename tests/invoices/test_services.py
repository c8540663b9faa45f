"""Issuing and sending invoices, and crediting refunds."""

from decimal import Decimal

import pytest

from config.core.exceptions import AddressRequired
from invoices import services
from invoices.models import CreditNote, Document, InvoiceDelivery, Seller
from tests.factories import (
    ADDRESS,
    InvoiceFactory,
    LineFactory,
    OrderFactory,
    credit,
    deliver_documents,
)
from tests.log import event_data

pytestmark = pytest.mark.django_db

MIXED = {
    "items": [
        LineFactory(unit_price=Decimal("19.99"), quantity=3, tax_rate=Decimal("0.19")),
        LineFactory(unit_price=Decimal("4.50"), quantity=1, tax_rate=Decimal("0.07")),
        LineFactory(unit_price=Decimal("10.00"), quantity=1),
    ],
    "shipping": {"cost": Decimal("9.90"), "tax_rate": Decimal("0.19"), "carrier": "FedEx"},
    "discount": {"amount": Decimal("7.77")},
}


def test_the_lines_include_shipping_and_sum_to_the_order():
    invoice = InvoiceFactory(**MIXED)
    *goods, shipping = invoice.lines
    assert [line["title"] for line in invoice.lines] == ["A shirt"] * 3 + ["Shipping (FedEx)"]
    assert (shipping["net"], shipping["tax"], shipping["total"]) == ("9.90", "1.88", "11.78")
    for line in invoice.lines:
        gross = line["quantity"] * Decimal(line["unit_price"])
        assert Decimal(line["net"]) == gross - Decimal(line["discount"])
        assert Decimal(line["total"]) == Decimal(line["net"]) + Decimal(line["tax"])
    assert sum(Decimal(line["total"]) for line in invoice.lines) == invoice.total
    assert sum(Decimal(line["discount"]) for line in goods) == invoice.discount == Decimal("7.77")
    assert [rate["tax_rate"] for rate in invoice.rates] == ["0", "0.07", "0.19"]
    for name, total in (("tax", invoice.tax), ("total", invoice.total)):
        assert sum(Decimal(rate[name]) for rate in invoice.rates) == total


def test_the_seller_is_the_profile_of_the_organization_or_the_default(settings):
    settings.DEFAULT_SELLER = {"name": "A Market", "tax_id": "T-1"}
    Seller.objects.create(organization_id="org_2", name="Casa Luna", city="Puebla")
    before = InvoiceFactory(organization_id="org_2")
    Seller.objects.update(name="Casa Sol")
    assert InvoiceFactory().seller == {"name": "A Market", "tax_id": "T-1"}
    assert before.seller == {"name": "Casa Luna", "city": "Puebla"}
    assert InvoiceFactory(organization_id="org_2").seller["name"] == "Casa Sol"


def test_the_buyer_is_the_billing_address_or_the_shipping_address():
    billing = {**ADDRESS, "name": "Ana's Office", "tax_id": "XAXX010101000"}
    assert InvoiceFactory(billing_address=billing).buyer == billing
    assert InvoiceFactory().buyer == ADDRESS
    assert InvoiceFactory(shipping_address=None, local_id="local_1").buyer == {}


def test_a_new_invoice_queues_its_pdf_and_a_mail_to_the_buyer(enqueued):
    invoice = InvoiceFactory()
    assert [mail.recipient_email for mail in invoice.deliveries] == ["juan@example.com"]
    assert Document.objects.get().invoice_id == invoice.id
    assert data_of(invoice, "invoice.queued")["recipient_email"] == "juan@example.com"


@pytest.mark.django_db(transaction=True)
def test_the_task_is_enqueued_after_the_commit(enqueued):
    InvoiceFactory()
    assert ("invoices.tasks.render_documents", ()) in enqueued
    enqueued.clear()
    deliver_documents()
    assert ("invoices.tasks.send_mails", ()) in enqueued, "the mail waits for its PDF"


def data_of(invoice, name):
    return event_data(invoice.order, name)


def test_without_an_address_the_invoice_is_rendered_and_not_mailed():
    invoice = InvoiceFactory(customer_email=None)
    assert (invoice.deliveries, Document.objects.count()) == ([], 1)
    with pytest.raises(AddressRequired, match="recipient_email"):
        services.send_invoice(invoice_id=invoice.id)
    services.send_invoice(invoice_id=invoice.id, recipient_email="ana@example.com")
    assert InvoiceDelivery.objects.get().recipient_email == "ana@example.com"


def test_a_queued_mail_is_not_queued_again():
    invoice = InvoiceFactory()
    services.send_invoice(invoice_id=invoice.id)
    services.send_invoice(invoice_id=invoice.id, recipient_email="juan@example.com")
    services.send_invoice(invoice_id=invoice.id, recipient_email="office@example.com")
    assert InvoiceDelivery.objects.count() == 2
    sent = InvoiceFactory(status="sent")
    services.send_invoice(invoice_id=sent.id)
    assert InvoiceDelivery.objects.filter(invoice=sent).count() == 2


# Credit notes


def test_a_refund_is_credited_once():
    invoice = InvoiceFactory(**MIXED)
    for _ in range(2):
        credit(invoice, "10.00")
    note = CreditNote.objects.get()
    assert (note.number[:3], note.total) == ("CN-", Decimal("10.00"))
    assert note.net + note.tax == note.total
    assert data_of(invoice, "credit_note.issued")["amount"] == "10.00"
    assert Document.objects.get(credit_note=note).invoice_id == invoice.id


def test_credit_notes_never_exceed_the_invoice():
    invoice = InvoiceFactory()  # of 50.00
    credit(invoice, "30.00", "ref_1")
    credit(invoice, "30.00", "ref_2")
    credit(invoice, "30.00", "ref_3")
    totals = CreditNote.objects.order_by("number").values_list("refund_id", "total")
    assert list(totals) == [("ref_1", Decimal(30)), ("ref_2", Decimal(20))]


def test_money_that_was_not_invoiced_is_not_credited():
    order = OrderFactory()
    refund = {"order_id": order.id, "refund_id": "ref_1", "reason": "operator"}
    amount = {"amount": Decimal(10), "currency": "USD"}
    assert services.issue_credit_note(**refund, **amount) is None
    credit(InvoiceFactory(), "10.00", currency="EUR")
    assert not CreditNote.objects.exists()


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1300"), ("KWD", "1.234")])
def test_credit_notes_have_the_decimals_of_their_currency(currency, amount):
    price = Decimal(amount)
    invoice = InvoiceFactory(currency=currency, items=[LineFactory(unit_price=price)])
    note = credit(invoice, amount).credit_notes[0]
    assert [row["total"] for row in note.rates] == [amount]
