"""Results that arrive late, out of order or twice lose no money."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orders.models import Order
from payments import selectors
from payments.exceptions import PaymentInProgress
from payments.models import Payment
from payments.services import capture, gateway
from tests.factories import OrderFactory, cancel, start_payment
from tests.log import event_data, event_names
from tests.payments.flows import call, connect, deliver, expire, run_timer, start

pytestmark = pytest.mark.django_db
STRIPE = type(gateway.GATEWAYS["stripe"])


def run_during_call(monkeypatch, method, what, *, after=False):
    """Run `what` during a call of the gateway, before or after it has read the state."""
    real = getattr(STRIPE, method)

    def call_and_run(stripe, request):
        result = real(stripe, request) if after else None
        what()
        return result or real(stripe, request)

    monkeypatch.setattr(STRIPE, method, call_and_run)


def test_a_late_decline_of_the_first_attempt_does_not_end_the_second(stripe_peer):
    payment = start(token="pm_card_chargeDeclined")
    late = stripe_peer.events[-1]
    capture.retry_payment(payment_id=payment.id, token="pm_card_visa")
    deliver(stripe_peer, late)
    assert call(payment).status == "succeeded"


def test_a_late_decline_does_not_let_the_order_expire(stripe_peer, monkeypatch, run_reactions):
    payment = start(token="pm_card_chargeDeclined")
    late = stripe_peer.events[-1]
    capture.retry_payment(payment_id=payment.id, token="pm_card_visa")

    def happen():
        deliver(stripe_peer, late)
        assert expire(payment) == "placed"

    run_during_call(monkeypatch, "attempt", happen)
    call(payment)
    run_reactions()
    assert Order.objects.get(pk=payment.order_id).status == "confirmed"


def test_an_outdated_waiting_result_does_not_let_the_order_expire(
    stripe_peer, monkeypatch, run_reactions
):
    payment = start()

    def happen():
        stripe_peer.pay(payment.gateway_payment_id, "pm_card_visa")
        deliver(stripe_peer, stripe_peer.events[-1])

    gateway.call_gateway_now(payment_id=payment.id)
    run_during_call(monkeypatch, "retrieve", happen, after=True)
    call(payment)
    assert expire(payment) == "placed"
    monkeypatch.undo()
    assert call(payment).status == "succeeded"


def test_a_capture_of_a_payment_that_seemed_closed_is_refunded(
    stripe_peer, monkeypatch, run_reactions
):
    """Stripe's search had not found it when the order was cancelled."""
    connect()
    order = OrderFactory()
    payment = capture.start_payment(order_id=order.id, method="stripe", token="pm_card_visa")
    stripe_peer.faults.append("lost")
    call(payment)
    cancel(order)
    run_reactions()
    payment = selectors.get(payment.id)
    payment.closed_at = payment.created_at
    payment.due_at = None
    payment.save()
    deliver(stripe_peer, stripe_peer.events[-1])
    call(payment)
    run_reactions()
    assert call(payment).status == "refunded"


def test_a_payment_that_the_search_does_not_find_yet_is_not_closed(stripe_peer, run_reactions):
    """Even if an outage of hours came before."""
    connect()
    order = OrderFactory()
    payment = capture.start_payment(order_id=order.id, method="stripe", token="pm_card_visa")
    stripe_peer.faults.append(503)
    call(payment)
    attempt = payment.attempt_set.get()
    attempt.first_called_at -= timedelta(hours=2)
    attempt.save()
    stripe_peer.faults.append("lost")
    gateway.call_due_gateways(now=timezone.now() + timedelta(minutes=1))
    cancel(order)
    run_reactions()
    found, stripe_peer.intents = stripe_peer.intents, {}
    assert call(payment).closed_at is None
    stripe_peer.intents = found
    run_timer()
    run_reactions()
    run_timer()
    assert Payment.objects.get().status == "refunded"


def test_another_intent_with_our_metadata_does_not_close_the_payment(stripe_peer):
    payment = start()
    event = {
        "id": "evt_other",
        "account": payment.account,
        "created": 1,
        "type": "payment_intent.canceled",
        "data": {
            "object": {
                **stripe_peer.intents[payment.gateway_payment_id],
                "id": "pi_other",
                "status": "canceled",
            }
        },
    }
    deliver(stripe_peer, event)
    assert selectors.get(payment.id).status == "pending"


def test_a_capture_reported_by_webhook_is_not_charged_a_second_time(stripe_peer, run_reactions):
    payment = start(token="pm_card_chargeDeclined")
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_visa")
    deliver(stripe_peer, stripe_peer.events[-1])
    with pytest.raises(PaymentInProgress):
        start_payment(payment.order, method="stripe", token="pm_card_visa")
    with pytest.raises(PaymentInProgress):
        capture.retry_payment(payment_id=payment.id, token="pm_card_visa")
    assert call(payment).status == "succeeded"
    assert len(stripe_peer.intents) == 1


def test_an_open_payment_of_a_paid_order_is_abandoned(run_reactions):
    """The customer paid an abandoned payment after another one was started."""
    order = OrderFactory()
    first = start_payment(order)
    second = start_payment(order, method="manual")
    from tests.payments.flows import captured, report

    report(first, **captured(first, first.amount))
    run_reactions()
    assert Order.objects.get(pk=order.pk).payment_id == first.id
    assert selectors.get(second.id).abandoned_at


def test_a_call_without_news_does_not_change_updated_at(stripe_peer):
    payment = start()
    gateway.call_gateway_now(payment_id=payment.id)
    again = call(payment)
    assert again.calls == 1
    assert again.updated_at == payment.updated_at


def test_one_attempt_is_pending_once(stripe_peer, run_reactions):
    payment = start()
    cancel(payment.order)
    run_reactions()
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_visa")
    call(payment)
    run_reactions()
    assert event_names(payment.order).count("payment.pending") == 1
    assert call(payment).status == "refunded"


def test_an_attempt_that_stripe_rejected_was_never_pending(stripe_peer):
    payment = start(token="pm_no_such_card")
    assert payment.status == "failed"
    assert "payment.pending" not in event_names(payment.order)


@pytest.mark.parametrize("status", [401, 403])
def test_an_account_that_stripe_does_not_take_is_no_decline(stripe_peer, status):
    stripe_peer.faults.append(status)
    payment = start(token="pm_card_visa")
    assert (payment.status, payment.blocks_expiry) == ("failed", False)
    assert payment.retries_remaining == 3
    assert event_names(payment.order)[-1] == "payment.refused"
    assert expire(payment) == "cancelled"


def test_a_late_webhook_of_a_declined_debit_does_not_block_expiry(stripe_peer):
    payment = start(token="pm_usBankAccount")
    late = stripe_peer.events[-1]
    assert (payment.status, payment.blocks_expiry) == ("pending", True)
    intent = stripe_peer.intents[payment.gateway_payment_id]
    charge = intent["latest_charge"]
    error = {"type": "card_error", "code": "debit_failed", "message": "No.", "charge": charge}
    stripe_peer._fail(intent, error)
    deliver(stripe_peer, stripe_peer.events[-1])
    capture.retry_payment(payment_id=payment.id)
    call(payment)
    deliver(stripe_peer, late)
    assert expire(payment) == "cancelled"


@pytest.mark.parametrize("by_webhook", [True, False], ids=["webhook", "retrieve"])
def test_a_debit_after_a_decline_blocks_expiry(stripe_peer, by_webhook):
    payment = start(token="pm_card_chargeDeclined")
    stripe_peer.pay(payment.gateway_payment_id, "pm_usBankAccount")
    if by_webhook:
        deliver(stripe_peer, stripe_peer.events[-1])
    else:
        gateway.call_gateway_now(payment_id=payment.id)
    call(payment)
    assert expire(payment) == "placed"
    stripe_peer.settle(payment.gateway_payment_id)
    gateway.call_gateway_now(payment_id=payment.id)
    assert call(payment).status == "succeeded"


def test_the_same_card_declined_twice_without_a_charge_is_two_attempts(stripe_peer):
    payment = start(token="pm_card_authenticationRequired")
    for left in (2, 1):
        stripe_peer.authenticate(payment.gateway_payment_id, succeeds=False)
        error = stripe_peer.intents[payment.gateway_payment_id]["last_payment_error"]
        error["payment_method"]["id"] = "pm_saved"
        gateway.call_gateway_now(payment_id=payment.id)
        call(payment)
        assert event_data(payment.order, "payment.failed")["retries_remaining"] == left
        capture.retry_payment(payment_id=payment.id, token="pm_card_authenticationRequired")
        payment = call(payment)
