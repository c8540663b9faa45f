"""What an invoice and its credit notes say, and to the cent."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.core.exceptions import AddressRequired
from invoices import services
from invoices.models import CreditNote, Document, Invoice, InvoiceDelivery, Seller
from invoices.models.lines import split_credit
from payments import selectors as payment_selectors
from payments import services as payments
from tests import factories
from tests.factories import (
    ADDRESS,
    InvoiceFactory,
    LineFactory,
    OrderFactory,
    cancel,
    credit,
    invoice_of,
)
from tests.facts import data, told
from tests.payments.test_lifecycle import capture_of, hear

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


def test_a_confirmed_order_is_billed_once(settle):
    order = OrderFactory(status="confirmed", customer_email="juan@example.com", **MIXED)
    settle()
    settle()
    invoice = invoice_of(order)
    assert services.issue_invoice(order_id=order.id).id == invoice.id
    assert Invoice.objects.count() == 1
    assert (invoice.status, invoice.number[:4], invoice.number[-5:]) == ("issued", "INV-", "-0001")
    assert (invoice.total, invoice.tax) == (order.total, order.tax)
    assert told(order).count("invoice.created") == 1
    assert data(order, "invoice.created") == {
        "invoice_id": invoice.id,
        "order_id": order.id,
        "invoice_number": invoice.number,
        "total_amount": str(order.total.quantize(Decimal("0.01"))),
        "issued_at": invoice.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def test_the_lines_sum_to_the_order_and_shipping_is_one_of_them():
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


def test_an_order_that_cost_nothing_is_billed_too(settle):
    order = OrderFactory(status="placed", items=[LineFactory(unit_price=Decimal(0))])
    assert order.status == "confirmed"
    settle()
    assert invoice_of(order).total == 0


def test_an_order_that_was_never_confirmed_is_not_billed(settle):
    cancel(OrderFactory())
    settle()
    assert not Invoice.objects.exists()


def test_the_seller_is_the_organization_else_the_one_of_the_settings(settings):
    settings.DEFAULT_SELLER = {"name": "A Market", "tax_id": "T-1"}
    Seller.objects.create(organization_id="org_2", name="Casa Luna", city="Puebla")
    before = InvoiceFactory(organization_id="org_2")
    Seller.objects.update(name="Casa Sol")
    assert InvoiceFactory().seller == {"name": "A Market", "tax_id": "T-1"}
    assert before.seller == {"name": "Casa Luna", "city": "Puebla"}
    assert InvoiceFactory(organization_id="org_2").seller["name"] == "Casa Sol"


def test_the_buyer_is_whom_the_bill_goes_to():
    billing = {**ADDRESS, "name": "Ana's Office", "tax_id": "XAXX010101000"}
    assert InvoiceFactory(billing_address=billing).buyer == billing
    assert InvoiceFactory().buyer == ADDRESS
    assert InvoiceFactory(shipping_address=None, local_id="local_1").buyer == {}


def test_a_new_invoice_is_rendered_and_mailed_to_the_buyer(enqueued):
    invoice = InvoiceFactory()
    assert [mail.recipient_email for mail in invoice.deliveries] == ["juan@example.com"]
    assert Document.objects.get().invoice_id == invoice.id
    assert data_of(invoice, "invoice.queued")["recipient_email"] == "juan@example.com"


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_told_once_what_is_queued_is_committed(enqueued):
    InvoiceFactory()
    assert ("invoices.tasks.deliver_documents", ()) in enqueued


def data_of(invoice, name):
    return data(invoice.order, name)


def test_without_an_address_it_is_rendered_only_and_sent_when_somebody_knows_one():
    invoice = InvoiceFactory(customer_email=None)
    assert (invoice.deliveries, Document.objects.count()) == ([], 1)
    with pytest.raises(AddressRequired, match="recipient_email"):
        services.send_invoice(invoice_id=invoice.id)
    services.send_invoice(invoice_id=invoice.id, recipient_email="ana@example.com")
    assert InvoiceDelivery.objects.get().recipient_email == "ana@example.com"


def test_a_mail_that_is_queued_already_is_not_queued_twice():
    invoice = InvoiceFactory()
    services.send_invoice(invoice_id=invoice.id)
    services.send_invoice(invoice_id=invoice.id, recipient_email="juan@example.com")
    services.send_invoice(invoice_id=invoice.id, recipient_email="office@example.com")
    assert InvoiceDelivery.objects.count() == 2
    sent = InvoiceFactory(status="sent")
    services.send_invoice(invoice_id=sent.id)
    assert InvoiceDelivery.objects.filter(invoice=sent).count() == 2


# Credit notes


def test_a_refund_is_credited_once_and_told_to_nobody_outside():
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


def test_money_that_was_never_invoiced_is_not_credited():
    order = OrderFactory()
    refund = {"order_id": order.id, "refund_id": "ref_1", "reason": "operator"}
    amount = {"amount": Decimal(10), "currency": "USD"}
    assert services.issue_credit_note(**refund, **amount) is None
    credit(InvoiceFactory(), "10.00", currency="EUR")
    assert not CreditNote.objects.exists()


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1300"), ("KWD", "1.234")])
def test_credit_notes_have_their_currency_s_decimals(currency, amount):
    price = Decimal(amount)
    invoice = InvoiceFactory(currency=currency, items=[LineFactory(unit_price=price)])
    note = credit(invoice, amount).credit_notes[0]
    assert [row["total"] for row in note.rates] == [amount]


amounts = st.integers(1, 10**6)
rates = st.lists(st.tuples(amounts, st.integers(0, 100)), min_size=1, max_size=5)


@given(rates=rates, shares=st.lists(st.integers(1, 1000), max_size=6))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_refunded_the_notes_of_a_whole_invoice_sum_to_it(rates, shares):
    invoiced = []
    for number, (net, percent) in enumerate(rates):
        tax = net * percent // 100
        row = {"net": net, "tax": tax, "total": net + tax}
        text = {name: str(Decimal(cents).scaleb(-2)) for name, cents in row.items()}
        invoiced.append({"tax_rate": f"0.{number}", **text})
    left = sum(Decimal(row["total"]) for row in invoiced)
    notes = []
    for share in [*shares, None]:  # the last one takes the rest
        amount = left if share is None else min(left, Decimal(share))
        if amount:
            note = split_credit(amount, invoiced=invoiced, credited=notes, currency="USD")
            assert sum(Decimal(row["total"]) for row in note) == amount
            notes.append(note)
            left -= amount
    for row in note_rows(notes):
        assert Decimal(row["net"]) + Decimal(row["tax"]) == Decimal(row["total"])
        assert min(Decimal(row["net"]), Decimal(row["tax"])) >= 0
    for row in invoiced:
        same = [each for each in note_rows(notes) if each["tax_rate"] == row["tax_rate"]]
        for name in ("net", "tax", "total"):
            assert sum(Decimal(each[name]) for each in same) == Decimal(row[name])


def note_rows(notes):
    return [row for note in notes for row in note]


def give_back(payment, amount):
    """By a way of its own, which a gateway knows nothing of."""
    refund = factories.refund(payment, amount, method="store_credit", reason="operator")
    payments.record_refund(payment_id=payment.id, refund_id=refund.id)
    return refund


def test_a_refund_by_whatever_way_is_credited(settle):
    order = OrderFactory(status="confirmed")
    [payment] = payment_selectors.of_order(order.id)
    refund = give_back(payment, "12.00")  # before the invoice is issued, and settled after it
    settle()
    (note,) = invoice_of(order).credit_notes
    assert (note.total, note.refund_id, note.reason) == (12, refund.id, "operator")


def test_a_refund_of_money_that_was_never_billed_is_not_credited(settle):
    order = OrderFactory()
    other = factories.start_payment(order, token="tok_wrong_amount")
    factories.pay(order)
    settle()
    give_back(other, "50.01")
    settle()
    assert invoice_of(order).credit_notes == []


def test_money_that_came_twice_goes_back_without_a_credit_note(settle):
    order = OrderFactory()
    late = factories.start_payment(order)
    [paid] = [factories.start_payment(order, token="tok_ok")]
    settle()
    hear(late, **capture_of(late, late.amount))
    settle()
    payments.call_gateway(payment_id=late.id)
    settle()
    assert payment_selectors.get(late.id).status == "refunded"
    assert invoice_of(order).credit_notes == []
    give_back(paid, "50.00")
    settle()
    assert [note.total for note in invoice_of(order).credit_notes] == [50]
