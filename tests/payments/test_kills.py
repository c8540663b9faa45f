"""Killed processes and concurrent calls: no customer is charged or refunded twice."""

import multiprocessing
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from events.delivery import notify
from orders.models import Order
from orders.services import lifecycle
from payments import selectors
from payments.models import Payment
from payments.services import capture, gateway, refunds
from tests.factories import OrderFactory, locked, start_payment
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


class TestAuthorized:
    """Each step of an authorized payment, killed where the gateway may or may not know of it."""

    @pytest.fixture(params=["call", "record"])
    def kill(self, request):
        def kill(payment, method):
            where = {"call": (gateway.GATEWAYS["stripe"], method), "record": AFTER_THE_ANSWER}
            killed(lambda: gateway.call_gateway(payment_id=payment.id), *where[request.param])

        return kill

    def test_the_attempt(self, stripe_peer, run_reactions, kill):
        connect()
        order = OrderFactory()
        payment = capture.start_payment(
            order_id=order.id, method="stripe", token="pm_card_visa", captures_later=True
        )
        kill(payment, "attempt")
        payment = complete(stripe_peer, payment)
        run_reactions()
        assert (payment.status, payment.captured) == ("authorized", 0)
        assert statuses(stripe_peer) == ["requires_capture"]
        happened = Counter(event_names(order))
        assert (happened["payment.pending"], happened["payment.authorized"]) == (1, 1)
        assert happened["payment.succeeded"] == 0

    @pytest.mark.parametrize("amount", [None, Decimal(30)], ids=["whole", "part"])
    def test_the_capture(self, stripe_peer, run_reactions, kill, amount):
        payment = authorize()
        capture.capture_payment(payment_id=payment.id, amount=amount)
        kill(payment, "capture")
        payment = complete(stripe_peer, payment)
        run_reactions()
        captured = amount or Decimal(50)
        assert (payment.status, payment.captured) == ("succeeded", captured)
        (intent,) = stripe_peer.intents.values()
        assert intent["amount_received"] == captured * 100
        happened = Counter(event_names(payment.order))
        assert happened["payment.succeeded"] == happened["payment.capture_requested"] == 1
        assert happened["order.confirmed"] == (not amount)

    def test_the_void(self, stripe_peer, run_reactions, kill):
        payment = authorize()
        capture.void_payment(payment_id=payment.id)
        kill(payment, "cancel")
        payment = complete(stripe_peer, payment)
        run_reactions()
        assert (payment.status, bool(payment.closed_at)) == ("failed", True)
        assert statuses(stripe_peer) == ["canceled"]
        happened = Counter(event_names(payment.order))
        assert happened["payment.voided"] == 1
        assert happened["payment.abandoned"] == happened["payment.succeeded"] == 0


def authorize():
    connect()
    order = OrderFactory()
    return start_payment(order, "stripe", token="pm_card_visa", captures_later=True)


def complete(stripe_peer, payment):
    """Let the timer and all webhooks, late and repeated ones too, complete what was killed."""
    payment.refresh_from_db()
    assert payment.due_at, "it is not forgotten"
    assert gateway.call_due_gateways(now=timezone.now()) == 0, "the lease has not expired"
    assert gateway.call_due_gateways(now=timezone.now() + LATER) == 1
    for event in [*stripe_peer.events[::-1], *stripe_peer.events]:
        assert deliver(stripe_peer, event).status_code == 204
    gateway.call_due_gateways(now=timezone.now() + 2 * LATER)
    return selectors.get(payment.id)


def statuses(stripe_peer):
    return [intent["status"] for intent in stripe_peer.intents.values()]


@pytest.mark.parametrize(
    "where",
    [(selectors, "amount_due"), (capture, "settle_capture"), (notify, "_put")],
    ids=["before", "meanwhile", "after"],
)
def test_an_external_payment_whose_request_was_killed_is_recorded_once(
    caller, run_reactions, where
):
    order = OrderFactory()
    body = {"order_id": order.id, "amount": "50.00", "provider": "gift_card", "reference": "GC-1"}

    def give():
        return caller().post("/api/v1/payments/external", body)

    killed(give, *where)
    assert [give().status_code for _ in range(2)] == [201, 201]
    run_reactions()
    assert Payment.objects.get().captured == 50
    order.refresh_from_db()
    assert order.status == "confirmed"
    happened = Counter(event_names(order))
    assert happened["payment.succeeded"] == happened["order.confirmed"] == 1


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
