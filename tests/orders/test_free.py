"""Orders that cost nothing: everything happens to them but payments."""

from decimal import Decimal

import pytest
from django.urls import reverse

from orders.models import Policy
from payments.models import Payment, PaymentAccount, Refund
from tests.documents import text_of
from tests.factories import (
    OrderFactory,
    cancel,
    deliver,
    deliver_documents,
    invoice_of,
    ship,
    start,
    write_off,
)
from tests.log import event_data, event_names
from tests.returns import factories as returns

pytestmark = pytest.mark.django_db

ALL = {"amount": Decimal("50.00"), "code": "ALL"}


def show(api, order):
    return api.get(f"/api/v1/orders/{order.id}").json()


@pytest.fixture
def free(run_reactions):
    order = OrderFactory(discount=ALL, customer_email="juan@example.com")
    run_reactions()
    return order


def test_one_is_confirmed_when_it_is_placed(api, free):
    shown = show(api, free)
    assert (shown["status"], shown["total"], shown["amount_due"]) == ("confirmed", "0.00", "0.00")
    assert (shown["payment_status"], shown["payment_id"]) == ("not_required", None)
    assert event_data(free, "order.confirmed")["payment_id"] is None
    assert event_names(free).count("order.confirmed") == 1
    assert not Payment.objects.exists()


@pytest.mark.parametrize("method", ["manual", "stripe", "invoice", "cash_on_delivery"])
def test_nothing_is_owed_whichever_method_the_customer_chose(api, run_reactions, method):
    PaymentAccount.objects.create(
        organization_id="org_1",
        invoice_days=14,
        cash_on_delivery=True,
        confirm_on_authorization=True,
    )
    order = OrderFactory(discount=ALL, payment_method=method)
    run_reactions()
    assert show(api, order)["payment_status"] == "not_required"
    assert not Payment.objects.exists()
    invoice = invoice_of(order)
    assert (invoice.payment_terms, invoice.due, invoice.due_on) == ("paid", 0, None)


def test_one_that_waits_for_its_reservation_is_confirmed_by_it(api, run_reactions):
    Policy.objects.create(organization_id="org_1", reservation="required")
    order = OrderFactory(discount=ALL)
    run_reactions()
    assert (show(api, order)["status"], show(api, order)["payment_status"]) == (
        "paid",
        "not_required",
    )
    (line,) = order.lines
    places = [{"order_item_id": line.id, "warehouse_id": "wh_1", "quantity": line.quantity}]
    reservation = {"reservation_id": "res_1", "allocations": places}
    api.post(f"/api/v1/orders/{order.id}/reservation", reservation)
    assert show(api, order)["status"] == "confirmed"


def test_no_payment_is_taken_for_it(api, free):
    manual = {"order_id": free.id, "payment_method": "manual"}
    gift = {"order_id": free.id, "amount": "1.00", "provider": "gift_card", "reference": "GC-1"}
    for path, body in (("payments", manual), ("payments/external", gift)):
        refused = api.post(f"/api/v1/{path}", body, headers={"Idempotency-Key": "key-1"})
        assert (refused.status_code, refused.json()["code"]) == (409, "not_payable")


@pytest.mark.usefixtures("media")
def test_its_invoice_is_mailed(free, mailbox):
    assert deliver_documents() == 2
    (mail,) = mailbox.mails
    assert mail["Subject"] == f"Invoice {invoice_of(free).number}"
    (pdf,) = mail.iter_attachments()
    (text,) = text_of(pdf.get_content())
    assert "Total USD 0.00" in text
    assert "Discount (ALL) −50.00" in text
    assert "Paid in full" in text
    assert "Amount due" not in text
    assert event_data(free, "invoice.created")["total_amount"] == "0.00"


def test_nothing_is_refunded_or_credited(api, free, run_reactions):
    write_off(free, 0, 1)
    item = {"order_item_id": free.lines[0].id, "quantity": 1}
    for wanted in ({"amount": "0.01"}, {"items": [item]}):
        refused = api.post(
            f"/api/v1/orders/{free.id}/refunds",
            {"reason": "operator", **wanted},
            headers={"Idempotency-Key": "key-1"},
        )
        assert (refused.status_code, refused.json()["max_refundable"]) == (422, "0.00")
    cancel(free)
    run_reactions()
    assert event_data(free, "order.cancelled")["refund_required"] is False
    assert show(api, free)["payment_status"] == "not_required"
    assert not Refund.objects.exists()
    assert invoice_of(free).credit_notes == []


def test_a_return_of_it_is_closed_without_a_refund(api, free, run_reactions):
    start(free)
    ship(free)
    deliver(free)
    row = returns.request(free)
    returns.approve(row)
    assert event_data(free, "return.approved")["refund_amount"] == "0.00"
    returns.receive(row)
    run_reactions()
    assert api.get(f"/api/v1/returns/{row.id}").json()["allowed_actions"] == ["close"]
    closed = api.post(f"/api/v1/returns/{row.id}/close", {}, headers={"Idempotency-Key": "key-1"})
    assert closed.json()["status"] == "closed"
    assert "return.refunded" not in event_names(free)


def test_operators_see_that_nothing_is_to_be_paid(free, operator):
    client = operator()
    page = client.get(reverse("admin:orders_order_change", args=[free.id])).content.decode()
    assert "not_required" in page
    invoice = reverse("admin:invoices_invoice_change", args=[invoice_of(free).id])
    assert client.get(invoice).status_code == 200
