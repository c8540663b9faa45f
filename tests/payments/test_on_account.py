"""Orders that are confirmed before they are paid: on invoice, and in cash on delivery."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.models import Order
from payments.models import Payment
from payments.services import capture
from tests.factories import (
    OrderFactory,
    buy_on_account,
    cancel,
    deliver,
    invoice_of,
    pay,
    ship,
    start,
    start_payment,
    write_off,
)
from tests.log import event_data, event_names
from tests.parallel import at_once
from tests.reacting import as_rows, run_of

pytestmark = pytest.mark.django_db


def show(api, order):
    return api.get(f"/api/v1/orders/{order.id}").json()


def account(order):
    return Payment.objects.get(order=order.id, method="on_account")


def transfer(order, received):
    payment = start_payment(order, method="manual")
    return capture.capture_payment(payment_id=payment.id, amount=Decimal(received))


@pytest.mark.parametrize("method", ["invoice", "cash_on_delivery"])
def test_the_order_is_confirmed_and_owed(method, api, run_reactions):
    order = buy_on_account(payment_method=method)
    run_reactions()
    shown = show(api, order)
    assert (shown["status"], shown["payment_status"]) == ("confirmed", "unpaid")
    assert shown["amount_due"] == "50.00"
    assert event_data(order, "order.confirmed")["payment_id"] is None
    assert "payment.pending" not in event_names(order)
    owed = account(order)
    assert (owed.status, owed.outstanding) == ("pending", 50)
    assert bool(owed.payable_until) == (method == "invoice")


@pytest.mark.parametrize("method", ["invoice", "cash_on_delivery"])
def test_an_organization_offers_it_or_not(method, api):
    order = OrderFactory(status="pending")
    refused = api.post(f"/api/v1/orders/{order.id}/place", {"payment_method": method})
    assert (refused.status_code, refused.json()["code"]) == (422, "payment_terms_unavailable")
    assert Order.objects.get().status == "pending"


def test_a_transfer_pays_it(api, run_reactions):
    order = buy_on_account()
    run_reactions()
    transfer(order, "20.00")
    run_reactions()
    assert (show(api, order)["payment_status"], account(order).outstanding) == (
        "partially_paid",
        30,
    )
    transfer(Order.objects.get(), "35.00")
    run_reactions()
    assert show(api, order)["payment_status"] == "paid"
    assert account(order).status == "closed"
    assert Payment.objects.get(surplus_of__isnull=False).amount == 5
    assert event_names(order).count("order.confirmed") == 1


def test_a_declined_card_neither_cancels_nor_settles_it(api, run_reactions):
    order = buy_on_account()
    run_reactions()
    for _ in range(3):
        start_payment(order, token="tok_declined")
    run_reactions()
    assert (show(api, order)["status"], account(order).outstanding) == ("confirmed", 50)


def test_a_payment_that_is_open_ends_when_it_is_paid(run_reactions):
    order = buy_on_account()
    run_reactions()
    waiting = start_payment(order)
    capture.abandon_payment(payment_id=waiting.id)
    replaced = start_payment(order, method="manual", amount=Decimal(10))
    start_payment(order, amount=Decimal(40), token="tok_ok")
    run_reactions()
    assert account(order).outstanding == 10
    capture.capture_payment(payment_id=replaced.id)
    run_reactions()
    assert account(order).status == "closed"


def test_it_is_overdue_until_it_is_paid(api, operator, run_reactions):
    order = buy_on_account()
    run_reactions()

    def listed():
        return [row["id"] for row in api.get("/api/v1/payments?overdue=true").json()["results"]]

    assert listed() == []
    Payment.objects.raw(
        "UPDATE payments_payment SET payable_until = %s RETURNING id",
        [timezone.now() - timedelta(days=1)],
    )[0]
    assert listed() == [account(order).id]
    page = operator().get("/admin/payments/payment/?queue=overdue").content.decode()
    assert account(order).id in page
    pay(order)
    run_reactions()
    assert listed() == []


def test_a_credit_note_does_not_depend_on_a_delayed_reaction(api, run_reactions):
    order = buy_on_account()
    run_reactions()
    goodwill = {"reason": "operator", "goodwill": "10.00"}
    url, key = f"/api/v1/orders/{order.id}/refunds", {"Idempotency-Key": "once"}
    with as_rows():
        assert api.post(url, goodwill, headers=key).status_code == 201
        payment = start_payment(Order.objects.get(pk=order.pk), method="manual")
        capture.capture_payment(payment_id=payment.id)
        run_of("invoices", order.id)
    run_reactions()
    assert invoice_of(order).creditable_amount == 40


def test_cash_is_overdue_once_the_order_is_delivered(api, run_reactions):
    order = buy_on_account(payment_method="cash_on_delivery")
    run_reactions()
    start(order)
    ship(order)
    assert api.get("/api/v1/payments?overdue=true").json()["results"] == []
    deliver(order)
    run_reactions()
    (row,) = api.get("/api/v1/payments?overdue=true").json()["results"]
    assert (row["id"], row["outstanding"]) == (account(order).id, "50.00")


def test_units_written_off_are_not_owed_but_credited(api, run_reactions):
    order = buy_on_account()
    run_reactions()
    write_off(order, 0, 1)
    run_reactions()
    assert (show(api, order)["amount_due"], account(order).outstanding) == ("25.00", 25)
    assert invoice_of(order).creditable_amount == 25
    assert "payment.refunded" not in event_names(order)
    transfer(order, "25.00")
    run_reactions()
    assert show(api, order)["payment_status"] == "paid"
    assert invoice_of(order).creditable_amount == 25


def test_what_is_paid_and_written_off_is_given_back(api, run_reactions):
    order = buy_on_account()
    run_reactions()
    paid = transfer(order, "40.00")
    run_reactions()
    write_off(order, 0, 1)
    run_reactions()
    paid.refresh_from_db()
    assert (account(order).waived, paid.refunding) == (10, 15)


def test_a_cancelled_order_is_not_owed_and_its_invoice_credited(api, run_reactions):
    order = buy_on_account()
    run_reactions()
    cancel(order)
    run_reactions()
    assert (account(order).status, account(order).waived) == ("closed", 50)
    assert invoice_of(order).creditable_amount == 0
    shown = show(api, order)
    assert (shown["payment_status"], shown["amount_due"]) == ("not_required", "0.00")


def test_goodwill_is_waived_before_money_goes_back(api, run_reactions):
    order = buy_on_account()
    run_reactions()
    made = api.post(
        f"/api/v1/orders/{order.id}/refunds",
        {"amount": "5.00", "reason": "operator"},
        headers={"Idempotency-Key": "key-1"},
    )
    run_reactions()
    assert made.status_code == 201, made.json()
    assert (account(order).outstanding, account(order).waived) == (45, 5)
    assert invoice_of(order).creditable_amount == 45


@pytest.mark.django_db(transaction=True)
def test_payments_at_once_pay_it_once(caller):
    order = buy_on_account()

    def give(n):
        body = {"order_id": order.id, "amount": "50.00", "provider": "bank", "reference": str(n)}
        return caller().post("/api/v1/payments/external", body).status_code

    assert sorted(at_once(4, give)) == [201, 409, 409, 409]
    assert account(order).status == "closed"
