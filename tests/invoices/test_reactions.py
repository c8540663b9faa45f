"""The reactions of invoices to orders and refunds."""

from decimal import Decimal

import pytest

from invoices import services
from invoices.models import Invoice
from payments import selectors as payment_selectors
from payments.services import gateway, refunds
from tests import factories
from tests.factories import LineFactory, OrderFactory, cancel, invoice_of
from tests.invoices.test_services import MIXED
from tests.log import event_data, event_names
from tests.payments.flows import captured, report

pytestmark = pytest.mark.django_db


def test_a_confirmed_order_gets_one_invoice(run_reactions):
    order = OrderFactory(status="confirmed", customer_email="juan@example.com", **MIXED)
    run_reactions()
    run_reactions()
    invoice = invoice_of(order)
    assert services.issue_invoice(order_id=order.id).id == invoice.id
    assert Invoice.objects.count() == 1
    assert (invoice.status, invoice.number[:4], invoice.number[-5:]) == ("issued", "INV-", "-0001")
    assert (invoice.total, invoice.tax) == (order.total, order.tax)
    assert event_names(order).count("invoice.created") == 1
    assert event_data(order, "invoice.created") == {
        "invoice_id": invoice.id,
        "order_id": order.id,
        "invoice_number": invoice.number,
        "total_amount": str(order.total.quantize(Decimal("0.01"))),
        "issued_at": invoice.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def test_a_free_order_gets_an_invoice(run_reactions):
    order = OrderFactory(status="placed", items=[LineFactory(unit_price=Decimal(0))])
    assert order.status == "confirmed"
    run_reactions()
    assert invoice_of(order).total == 0


def test_an_unconfirmed_order_gets_no_invoice(run_reactions):
    cancel(OrderFactory())
    run_reactions()
    assert not Invoice.objects.exists()


def refund_by_store_credit(payment, amount):
    """Refund without the gateway."""
    refund = factories.refund(payment, amount, method="store_credit", reason="operator")
    refunds.record_refund(payment_id=payment.id, refund_id=refund.id)
    return refund


def test_a_refund_of_any_method_is_credited(run_reactions):
    order = OrderFactory(status="confirmed")
    [payment] = payment_selectors.of_order(order.id)
    refund = refund_by_store_credit(payment, "12.00")  # requested before the invoice is issued
    run_reactions()
    (note,) = invoice_of(order).credit_notes
    assert (note.total, note.refund_id, note.reason) == (12, refund.id, "operator")


def test_the_refund_of_a_wrong_amount_is_not_credited(run_reactions):
    order = OrderFactory()
    other = factories.start_payment(order, token="tok_wrong_amount")
    factories.pay(order)
    run_reactions()
    refund_by_store_credit(other, "50.01")
    run_reactions()
    assert invoice_of(order).credit_notes == []


def test_the_refund_of_a_second_payment_is_not_credited(run_reactions):
    order = OrderFactory()
    late = factories.start_payment(order)
    [paid] = [factories.start_payment(order, token="tok_ok")]
    run_reactions()
    report(late, **captured(late, late.amount))
    run_reactions()
    gateway.call_gateway(payment_id=late.id)
    run_reactions()
    assert payment_selectors.get(late.id).status == "refunded"
    assert invoice_of(order).credit_notes == []
    refund_by_store_credit(paid, "50.00")
    run_reactions()
    assert [note.total for note in invoice_of(order).credit_notes] == [50]


def test_an_order_that_is_cancelled_after_a_refund_is_credited_in_full(run_reactions):
    """With a write-off, a fee and goodwill before, each rate of the invoice is credited in full."""
    order = OrderFactory(status="confirmed", **MIXED)
    [payment] = payment_selectors.of_order(order.id)
    run_reactions()
    first = order.lines[0]
    items = [{"order_item_id": first.id, "quantity": 1, "amount": Decimal("20.00")}]
    refunds.request_refund(payment_id=payment.id, reason="operator", items=items)
    refunds.request_refund(payment_id=payment.id, reason="operator", goodwill=Decimal("3.33"))
    factories.write_off(order, 1, 1)
    run_reactions()
    cancel(order)
    run_reactions()
    gateway.call_gateway(payment_id=payment.id)
    run_reactions()
    invoice = invoice_of(order)
    operator, goodwill, written_off, cancelled = invoice.credit_notes
    assert [(line["kind"], line["line"]) for line in operator.lines] == [("item", 1), ("fee", 1)]
    assert {line["kind"] for line in goodwill.lines} == {"goodwill"}
    assert [line["kind"] for line in written_off.lines][:1] == ["item"]
    assert written_off.lines[0]["line"] == 2
    kinds = [(line["kind"], line["quantity"], line["line"]) for line in cancelled.lines]
    assert [kind for kind in kinds if kind[0] != "goodwill"] == [
        ("item", 2, 1),
        ("item", 1, 3),
        ("shipping", 0, 4),
    ]
    assert invoice.creditable_amount == 0
    for row in invoice.rates:
        rows = [each for note in invoice.credit_notes for each in note.rates]
        same = [each for each in rows if each["tax_rate"] == row["tax_rate"]]
        for name in ("net", "tax", "total"):
            assert sum(Decimal(each[name]) for each in same) == Decimal(row[name])
