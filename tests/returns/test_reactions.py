"""Returns react to refunds that fail, bounce or are reduced."""

from datetime import timedelta

import pytest

from orders.services import lifecycle
from payments import selectors as payment_selectors
from payments.models import Payment, Refund
from payments.services import capture, gateway
from returns import services
from returns.exceptions import RefundOutstanding
from returns.models import Return
from tests import factories
from tests.factories import OrderFactory, deliver, ship, start, start_payment
from tests.log import event_data, event_names
from tests.reacting import as_rows
from tests.returns.factories import (
    ReturnFactory,
    amounts,
    approve,
    close,
    fail_refund,
    pay_out,
    receive,
    refund,
    request,
)

pytestmark = pytest.mark.django_db


def of_two_payments():
    """A delivered order of 50.00, paid with 30.00 first and 20.00 later."""
    order = OrderFactory()
    with as_rows():
        first = factories.pay(order)
        smaller = "UPDATE payments_payment SET amount=30, captured=30 WHERE id = %s RETURNING id"
        Payment.objects.raw(smaller, [first.id])[0]
        second = factories.pay(order)
    lifecycle.confirm_order(order_id=order.id, payment_id=second.id)
    start(order), ship(order), deliver(order)
    row = request(order)
    approve(row)
    receive(row)
    return row, first, second


def test_a_failed_refund_can_be_requested_with_another_method(run_reactions):
    row = ReturnFactory(status="received")
    refund(row)
    fail_refund(row)
    run_reactions()
    assert amounts(row) == ("received", 0, 0)
    refund(row, refund_method="store_credit")
    assert pay_out(row).status == "refunded"
    assert event_data(row.order, "return.refunded")["refund_method"] == "store_credit"


def test_a_client_that_asks_for_changes_sees_a_failed_refund(api, run_reactions):
    row = ReturnFactory(status="received")
    before = refund(row).updated_at
    fail_refund(row)
    run_reactions()
    url = f"/api/v1/returns?updated_since={(before + timedelta(microseconds=1)).isoformat()}"
    assert [each["refunding"] for each in api.get(url.replace("+", "%2B")).json()["results"]] == [
        "0.00"
    ]


def test_a_bounced_refund_is_pending_again(run_reactions):
    """It bounces before returns react to its success."""
    row = ReturnFactory(status="received")
    refund(row)
    [payment] = payment_selectors.of_order(row.order_id)
    with as_rows():
        gateway.call_gateway(payment_id=payment.id)
        fail_refund(row)
    run_reactions()
    assert amounts(row) == ("received", 50, 0)
    done = pay_out(row)
    assert (done.status, done.refund_method) == ("refunded", "manual")


def test_the_latest_payment_is_refunded_first(run_reactions):
    row, first, second = of_two_payments()
    refund(row, "45")
    parts = Refund.objects.filter(cause=row.id).order_by("id")
    assert [(part.payment_id, part.amount) for part in parts] == [
        (second.id, 20),
        (first.id, 25),
    ]
    assert pay_out(row).refunded_amount == 45
    assert event_names(row.order).count("return.refunded") == 1


def test_a_refund_that_bounces_later_does_not_complete_the_return(run_reactions):
    row, first, second = of_two_payments()
    refund(row)
    gateway.call_gateway(payment_id=first.id)
    fail_refund(row, Refund.objects.get(payment=second).id)
    run_reactions()
    fail_refund(row, Refund.objects.get(payment=first).id)
    run_reactions()
    assert amounts(pay_out(row)) == ("received", 0, 30)
    refund(row, refund_method="manual")
    assert pay_out(row).refunded_amount == 50


@pytest.mark.parametrize("is_heard_at_once", [True, False])
def test_one_of_two_refunds_fails(is_heard_at_once, run_reactions):
    row, first, second = of_two_payments()
    refund(row)
    lost = Refund.objects.get(payment=second)
    gateway.call_gateway(payment_id=first.id)
    if is_heard_at_once:
        run_reactions()
        assert amounts(row) == ("received", 20, 30)
    fail_refund(row, lost.id)
    run_reactions()
    assert amounts(row) == ("received", 0, 30)
    refund(row, refund_method="manual")
    done = pay_out(row)
    assert (done.status, done.refunded_amount) == ("refunded", 50)


def test_a_failed_refund_can_be_waived(run_reactions):
    row, first, second = of_two_payments()
    refund(row)
    gateway.call_gateway(payment_id=first.id)
    fail_refund(row, Refund.objects.get(payment=second).id)
    run_reactions()
    with pytest.raises(RefundOutstanding, match=r"20\.00 USD can be refunded"):
        services.close_return(return_id=row.id)
    for _ in range(2):
        assert close(row).status == "refunded"
    assert event_data(row.order, "return.refunded")["refund_amount"] == "30.00"


def test_a_late_reaction_to_an_old_refund_does_not_settle_a_new_one(run_reactions):
    """Both parts have failed before returns react; then the refund is requested again."""
    row, _, _ = of_two_payments()
    refund(row)
    parts = Refund.objects.filter(cause=row.id).order_by("id")
    for part in parts:
        fail_refund(row, part.id)
    services.settle_refund(return_id=row.id)  # after the failure of the first part
    services.refund_return(return_id=row.id, refund_method="manual")
    services.settle_refund(return_id=row.id)  # after that of the second, before payments react
    assert amounts(row) == ("received", 50, 0)
    run_reactions()
    assert pay_out(row).status == "refunded"


@pytest.mark.parametrize(
    ("earlier", "status", "refunded"), [("20", "refunded", 30), ("50", "received", 0)]
)
def test_a_refund_is_reduced_by_an_earlier_refund_of_the_payment(
    earlier, status, refunded, run_reactions
):
    row = ReturnFactory(status="received")
    with as_rows():
        services.refund_return(return_id=row.id)
    [payment] = payment_selectors.of_order(row.order_id)
    factories.refund(payment, earlier)
    run_reactions()
    assert event_data(row.order, "refund.fell_short") == {
        "payment_id": payment.id,
        "order_id": row.order_id,
        "cause": row.id,
        "amount": f"{earlier}.00",
        "currency": "USD",
    }
    pay_out(row)
    assert amounts(row) == (status, 0, refunded)


def test_other_refunds_do_not_change_a_return(run_reactions):
    row = ReturnFactory(status="received")
    [payment] = payment_selectors.of_order(row.order_id)
    factories.refund(payment, "15")
    run_reactions()
    assert amounts(row) == ("received", 0, 0)


def test_a_manual_payment_is_refunded_by_hand(run_reactions):
    order = OrderFactory()
    payment = start_payment(order, method="manual")
    capture.capture_payment(payment_id=payment.id)
    run_reactions()
    start(order), ship(order), deliver(order)
    row = request(order)
    approve(row)
    receive(row)
    refund(row)
    assert pay_out(row).status == "refunded"
    assert Return.objects.get(pk=row.pk).refunded_at
