"""Killed processes and concurrent calls: no customer is charged or refunded twice."""

import multiprocessing
from datetime import timedelta

import pytest
from django.utils import timezone

from orders.models import Order
from orders.services import lifecycle
from payments import selectors
from payments.models import Payment
from payments.services import capture, gateway, refunds
from tests.factories import OrderFactory, locked
from tests.log import event_names
from tests.parallel import at_once, killed
from tests.payments.flows import call, connect, deliver, start

pytestmark = pytest.mark.django_db(transaction=True)

LATER = timedelta(minutes=2)
FORK = multiprocessing.get_context("fork")


BEFORE_THE_CALL = (gateway.GATEWAYS["stripe"], "attempt")
AFTER_THE_ANSWER = (gateway, "_record")


@pytest.mark.parametrize("where", [BEFORE_THE_CALL, AFTER_THE_ANSWER], ids=["call", "record"])
def test_the_timer_completes_a_payment_whose_caller_was_killed(stripe_peer, run_reactions, where):
    connect()
    order = OrderFactory()
    payment = capture.start_payment(order_id=order.id, method="stripe", token="pm_card_visa")
    killed(lambda: gateway.call_gateway(payment_id=payment.id), *where)
    assert Payment.objects.get().status == "opening"
    assert gateway.call_due_gateways(now=timezone.now()) == 0, "the lease has not expired"
    assert gateway.call_due_gateways(now=timezone.now() + LATER) == 1
    run_reactions()
    order.refresh_from_db()
    assert order.status == "confirmed"
    assert len(stripe_peer.intents) == 1
    assert event_names(order).count("payment.succeeded") == 1


@pytest.mark.parametrize(
    "where",
    [(gateway.GATEWAYS["stripe"], "refund"), AFTER_THE_ANSWER],
    ids=["call", "record"],
)
def test_the_timer_completes_a_refund_whose_caller_was_killed(stripe_peer, where):
    payment = start(token="pm_card_visa")
    refunds.request_refund(payment_id=payment.id, amount=payment.amount / 2, reason="operator")
    killed(lambda: gateway.call_gateway(payment_id=payment.id), *where)
    stripe_peer.forget_keys()
    gateway.call_due_gateways(now=timezone.now() + LATER)
    assert Payment.objects.get().refunded == payment.amount / 2
    assert [refund["amount"] for refund in stripe_peer.refunds.values()] == [2500]


def test_a_payment_with_a_forgotten_key_is_found_and_not_created_again(
    stripe_peer,
):
    connect()
    order = OrderFactory()
    payment = capture.start_payment(order_id=order.id, method="stripe", token="pm_card_visa")
    killed(lambda: gateway.call_gateway(payment_id=payment.id), *AFTER_THE_ANSWER)
    stripe_peer.forget_keys()
    payment.refresh_from_db()
    attempt = payment.attempt_set.get()
    attempt.first_called_at -= timedelta(days=2)
    attempt.save()
    gateway.call_due_gateways(now=timezone.now() + LATER)
    assert Payment.objects.get().status == "succeeded"
    assert len(stripe_peer.intents) == 1


def test_concurrent_callers_make_one_call(stripe_peer):
    connect()
    order = OrderFactory()
    payment = capture.start_payment(order_id=order.id, method="stripe", token="pm_card_visa")
    at_once(4, lambda n: gateway.call_gateway(payment_id=payment.id))
    assert len(stripe_peer.requests) == 1
    assert Payment.objects.get().status == "succeeded"


def test_concurrent_requests_for_one_order_make_one_payment(stripe_peer, caller):
    connect()
    order = OrderFactory()

    def pay(n):
        body = {"order_id": order.id, "payment_method": "stripe", "gateway_token": "pm_card_visa"}
        response = caller().post("/api/v1/payments", body, headers={"Idempotency-Key": f"k-{n}"})
        return response.status_code

    results = at_once(6, pay)
    assert set(results) <= {201, 409}
    assert len(stripe_peer.intents) == 1
    with locked(order) as order:
        assert selectors.received(order) == order.total


ROUNDS = 30


def test_a_webhook_and_the_expiry_timer_end_in_one_outcome(stripe_peer, run_reactions):
    """Orders expire while their customers pay: confirmed, or cancelled and refunded."""
    payments = [start() for _ in range(ROUNDS)]
    for payment in payments:
        stripe_peer.pay(payment.gateway_payment_id, "pm_card_visa")
    events = {event["data"]["object"]["id"]: event for event in stripe_peer.events}
    deadlines = dict(Order.objects.values_list("pk", "reservation_expires_at"))
    barrier = FORK.Barrier(2)

    def race(side):
        for n, payment in enumerate(payments):
            barrier.wait(60)
            if side == 0:
                deliver(stripe_peer, events[payment.gateway_payment_id])
                call(payment)
            else:
                for _ in range(n % 10):  # so that it is now the first, now the second
                    Order.objects.count()
                # At this moment, this order has expired and no later one.
                lifecycle.expire_unpaid_orders(now=deadlines[payment.order_id])

    at_once(2, race)
    run_reactions()
    gateway.call_due_gateways(now=timezone.now() + LATER)
    while gateway.call_due_gateways(now=timezone.now() + LATER):
        pass
    ends = {"confirmed": 0, "cancelled": 0}
    for payment in payments:
        payment = selectors.get(payment.id)
        order = Order.objects.get(pk=payment.order_id)
        names = event_names(order)
        ends[order.status] += 1
        assert ("order.confirmed" in names) != ("order.cancelled" in names)
        paid_back = payment.status == "refunded" and names.count("payment.refunded") == 1
        assert paid_back == (order.status == "cancelled"), names
        assert payment.captured == 50
    assert min(ends.values()) > 0, ends
    assert sum(refund["amount"] for refund in stripe_peer.refunds.values()) == (
        ends["cancelled"] * 5000
    )
