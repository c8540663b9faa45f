"""What an invoice says of its payment."""

from decimal import Decimal

import pytest

from invoices import documents, einvoices
from invoices.models import Document, Invoice, Seller
from payments.models import PaymentAccount
from payments.services import capture
from tests.documents import text_of
from tests.factories import (
    OrderFactory,
    buy_on_account,
    cancel,
    invoice_of,
    pay,
    start_payment,
    write_off,
)
from tests.invoices.test_einvoices import BUYER, SELLER, broken_rules

pytestmark = pytest.mark.django_db


def printed(invoice):
    return " ".join(text_of(documents.render(Document(invoice=invoice))))


def test_an_invoice_on_account_says_how_much_is_due_and_when(api, run_reactions):
    order = buy_on_account(billing_address=None)
    run_reactions()
    invoice = invoice_of(order)
    shown = api.get(f"/api/v1/invoices/{invoice.id}").json()
    assert (shown["payment_terms"], shown["due"]) == ("invoice", "50.00")
    days = invoice.due_on - invoice.issued_on
    assert days.days == 14
    text = printed(invoice)
    assert "Payable by bank transfer" in text
    assert "Amount due" in text
    assert "Paid in full" not in text


def test_cash_on_delivery_has_no_date(run_reactions):
    order = buy_on_account(payment_method="cash_on_delivery")
    run_reactions()
    invoice = invoice_of(order)
    assert (invoice.payment_terms, invoice.due_on) == ("cash_on_delivery", None)
    assert "Cash on delivery" in printed(invoice)


def test_what_is_only_authorized_is_due(run_reactions):
    PaymentAccount.objects.create(organization_id="org_1", confirm_on_authorization=True)
    order = OrderFactory()
    start_payment(order, token="tok_ok", captures_later=True)
    run_reactions()
    invoice = invoice_of(order)
    assert (invoice.payment_terms, invoice.due) == ("authorized", Decimal(50))


def test_a_paid_one_is_paid_in_full(run_reactions):
    order = OrderFactory()
    pay(order)
    run_reactions()
    invoice = invoice_of(order)
    assert (invoice.payment_terms, invoice.due) == ("paid", 0)
    assert "Paid in full" in printed(invoice)


def test_the_electronic_invoice_has_the_terms(run_reactions):
    Seller.objects.create(organization_id="org_1", **SELLER)
    buy_on_account(currency="EUR", billing_address=BUYER)
    run_reactions()
    invoice = Invoice.objects.get()
    text = einvoices.xml(invoice)
    assert broken_rules(text) == []
    assert "<ram:Description>Payable by bank transfer</ram:Description>" in text
    assert f"{invoice.due_on:%Y%m%d}</udt:DateTimeString>" in text
    assert "<ram:DuePayableAmount>50.00</ram:DuePayableAmount>" in text
    assert "<ram:TotalPrepaidAmount>0.00</ram:TotalPrepaidAmount>" in text


class TestIssuedLate:
    """The invoice is issued by a worker, when something else may have happened already."""

    def test_after_a_write_off_the_whole_amount_is_due_and_a_part_credited(self, run_reactions):
        order = buy_on_account(billing_address=None)
        write_off(order, 0, 1)
        run_reactions()
        invoice = invoice_of(order)
        assert (invoice.payment_terms, invoice.due, invoice.creditable_amount) == (
            "invoice",
            50,
            25,
        )
        assert (invoice.due_on - invoice.issued_on).days == 14
        text = printed(invoice)
        assert "Amount due" in text
        assert "Paid in full" not in text

    def test_after_a_cancellation_all_of_it_is_credited(self, run_reactions):
        order = buy_on_account(billing_address=None)
        cancel(order)
        run_reactions()
        invoice = invoice_of(order)
        assert (invoice.payment_terms, invoice.due, invoice.creditable_amount) == ("invoice", 50, 0)
        assert "Paid in full" not in printed(invoice)

    def test_after_a_transfer_the_rest_is_due(self, run_reactions):
        order = buy_on_account(billing_address=None)
        transfer = start_payment(order, method="manual")
        capture.capture_payment(payment_id=transfer.id, amount=Decimal(20))
        write_off(order, 0, 1)
        run_reactions()
        invoice = invoice_of(order)
        assert (invoice.payment_terms, invoice.due, invoice.creditable_amount) == (
            "invoice",
            30,
            25,
        )

    def test_after_it_is_paid_nothing_is_due(self, run_reactions):
        order = buy_on_account(billing_address=None)
        pay(order)
        run_reactions()
        invoice = invoice_of(order)
        assert (invoice.payment_terms, invoice.due, invoice.due_on) == ("paid", 0, None)
        assert "Paid in full" in printed(invoice)
