"""An exchange: an order that the refund of a return pays."""

from decimal import Decimal

import pytest
from django.utils import timezone

from invoices.models import Invoice
from orders.models import Order
from orders.services import lifecycle
from payments.models import Payment
from payments.services import gateway
from tests.factories import ADDRESS, deliver_documents, pay, start_payment
from tests.log import event_data, event_names
from tests.parallel import at_once
from tests.returns.factories import ReturnFactory, close, refund

pytestmark = pytest.mark.django_db


def exchange(api, row, quantity, price="25.00", **fields):
    """Open and place an order for another size."""
    body = {
        "customer_id": row.order.customer_id,
        "currency": "USD",
        "items": [
            {"variant_id": "var_l", "title": "Size L", "quantity": quantity, "unit_price": price}
        ],
        "shipping_address": ADDRESS,
        "exchanges": row.id,
    }
    opened = api.post("/api/v1/orders", body | fields)
    if opened.status_code != 201:
        return opened
    return api.post(f"/api/v1/orders/{opened.json()['id']}/place")


def show(api, order_id):
    return api.get(f"/api/v1/orders/{order_id}").json()


@pytest.fixture
def received(run_reactions):
    row = ReturnFactory(status="received")
    run_reactions()
    return row


def settle(row, run_reactions):
    """Request the refund of the return, and have the gateway pay out what does not move."""
    refund(row)
    run_reactions()
    for payment in Payment.objects.filter(order=row.order_id):
        gateway.call_gateway(payment_id=payment.id)
    run_reactions()
    row.refresh_from_db()


def test_of_the_same_price_it_is_paid_by_the_refund(api, received, run_reactions):
    new = exchange(api, received, 2).json()
    assert (new["status"], new["amount_due"], new["exchanges"]) == ("placed", "50.00", received.id)
    settle(received, run_reactions)
    shown = show(api, new["id"])
    assert (shown["status"], shown["payment_status"]) == ("confirmed", "paid")
    returned = event_data(received.order, "return.refunded")
    assert (returned["refund_amount"], returned["refund_method"]) == ("50.00", "manual")
    assert "payment.refunded" not in event_names(received.order)
    assert received.status == "refunded"
    (listed,) = api.get(f"/api/v1/orders?exchanges={received.id}").json()["results"]
    assert listed["id"] == new["id"]


def test_of_a_cheaper_one_the_rest_goes_back(api, received, run_reactions):
    new = exchange(api, received, 1).json()
    settle(received, run_reactions)
    back = event_data(received.order, "payment.refunded")
    assert (back["refund_amount"], back["refund_reason"]) == ("25.00", "customer_return")
    assert show(api, new["id"])["status"] == "confirmed"
    assert event_data(received.order, "return.refunded")["refund_amount"] == "50.00"


def test_of_a_dearer_one_the_difference_is_paid(api, received, run_reactions):
    new = exchange(api, received, 3).json()
    settle(received, run_reactions)
    shown = show(api, new["id"])
    assert (shown["status"], shown["amount_due"]) == ("placed", "25.00")
    pay(Order.objects.get(pk=new["id"]))
    run_reactions()
    assert show(api, new["id"])["status"] == "confirmed"


def test_what_is_paid_before_counts(api, received, run_reactions):
    new = exchange(api, received, 3).json()
    order = Order.objects.get(pk=new["id"])
    start_payment(order, token="tok_ok", amount=Decimal("50.00"))
    run_reactions()
    settle(received, run_reactions)
    assert show(api, new["id"])["status"] == "confirmed"
    assert event_data(received.order, "payment.refunded")["refund_amount"] == "25.00"


def test_the_return_is_credited_and_the_exchange_billed(api, received, run_reactions):
    deliver_documents()
    new = exchange(api, received, 2).json()
    settle(received, run_reactions)
    deliver_documents()
    old = Invoice.objects.get(order=received.order_id)
    assert old.creditable_amount == 0
    assert Invoice.objects.get(order=new["id"]).total == 50


def test_it_waits_as_long_as_for_a_bank_transfer(api, received):
    order = Order.objects.get(pk=exchange(api, received, 2).json()["id"])
    assert (order.reservation_expires_at - timezone.now()).days >= 6


def test_the_refund_goes_back_when_it_is_cancelled(api, received, run_reactions):
    new = exchange(api, received, 2).json()
    lifecycle.cancel_order(order_id=new["id"], reason="customer_request")
    settle(received, run_reactions)
    assert event_data(received.order, "payment.refunded")["refund_amount"] == "50.00"
    assert exchange(api, received, 1).json()["code"] == "cannot_exchange", "it is refunded"


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"customer_id": "cust_other"}, "another customer"), ({"currency": "EUR"}, "not in EUR")],
)
def test_another_customer_or_currency_is_refused(api, received, fields, why):
    refused = exchange(api, received, 1, **fields)
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot_exchange")
    assert why in refused.json()["detail"]


def test_a_return_has_one_exchange(api, received):
    assert exchange(api, received, 1).status_code == 200
    refused = exchange(api, received, 1)
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot_exchange")


def test_a_return_that_has_ended_is_not_exchanged(api, received):
    close(received)
    refused = exchange(api, received, 1)
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot_exchange")


def test_a_return_of_another_organization_is_unknown(caller, received):
    other = caller(organization="org_2")
    assert exchange(other, received, 1).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_of_two_exchanges_at_once_one_is_refused(api, received):
    answers = at_once(2, lambda n: exchange(api, received, n + 1).status_code)
    assert sorted(answers) == [200, 409]
