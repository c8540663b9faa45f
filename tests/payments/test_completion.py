"""Payments that are replaced, abandoned or refunded: none stays unfinished."""

from datetime import timedelta

import pytest
from django.utils import timezone

from payments import selectors
from payments.exceptions import OrderNotConfirmed, OrderNotPayable, RefundReturned
from payments.models import Payment
from payments.services import capture, gateway, refunds
from tests.factories import OrderFactory, cancel, pay, refund, start_payment
from tests.log import event_data, event_names
from tests.payments.flows import call, connect, deliver, expire, run_timer, start
from tests.reacting import as_rows

pytestmark = pytest.mark.django_db


def test_a_replaced_payment_is_cancelled_and_not_called_again(stripe_peer, run_reactions):
    declined = start(token="pm_card_chargeDeclined")
    start_payment(declined.order, method="stripe", token="pm_card_visa")
    run_reactions()
    run_timer()
    declined.refresh_from_db()
    assert declined.closed_at
    assert declined.due_at is None
    assert stripe_peer.intents[declined.gateway_payment_id]["status"] == "canceled"


def test_an_operator_abandons_a_payment_without_a_result(run_reactions):
    order = OrderFactory()
    payment = capture.start_payment(order_id=order.id, method="sandbox", token="tok_slow")
    capture.abandon_payment(payment_id=payment.id)
    assert pay(order).status == "succeeded"


def test_a_silent_account_does_not_delay_the_others(stripe_peer):
    connect()
    for _ in range(3):
        order = OrderFactory()
        capture.start_payment(order_id=order.id, method="stripe", token="pm_card_visa")
    good = capture.start_payment(order_id=OrderFactory().id, method="sandbox", token="tok_ok")
    stripe_peer.faults.extend([503] * 9)
    gateway.call_due_gateways(now=timezone.now() + timedelta(minutes=1))
    assert selectors.get(good.id).status == "succeeded"
    assert len(stripe_peer.faults) == 8, "the account is not called again in the same run"


def test_a_manual_payment_abandoned_before_its_first_call_is_not_called(run_reactions):
    order = OrderFactory()
    payment = capture.start_payment(order_id=order.id, method="manual")
    cancel(order)
    run_reactions()
    run_timer()
    assert selectors.get(payment.id).due_at is None


def test_a_payment_is_not_refunded_before_its_order_is_confirmed(run_reactions):
    order = OrderFactory()
    with as_rows():
        payment = pay(order)
    with pytest.raises(OrderNotConfirmed, match="Refund it after that, or cancel the order"):
        refunds.request_refund(payment_id=payment.id, amount=payment.amount, reason="operator")
    run_reactions()
    assert refund(payment, "50").status == "succeeded"
    order.refresh_from_db()
    assert order.status == "confirmed"


def test_an_unconfirmed_webhook_is_in_the_queue_and_can_be_abandoned(stripe_peer):
    payment = start(token="pm_card_chargeDeclined")
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_visa")
    deliver(stripe_peer, stripe_peer.events[-1])
    capture.abandon_payment(payment_id=payment.id)
    deliver(stripe_peer, {**stripe_peer.events[-1], "id": "evt_again"})
    listed = Payment.objects.filter(selectors.OUTCOME_OPEN)
    assert listed.get() == payment
    capture.abandon_payment(payment_id=payment.id)
    assert not listed.exists()
    assert expire(payment) == "cancelled"


def test_a_returned_refund_cannot_be_withdrawn(stripe_peer):
    payment = start(token="pm_card_visa")
    paid = refund(payment, "20")
    stripe_peer.finish(paid.gateway_refund_id, "failed", "lost_or_stolen_card")
    deliver(stripe_peer, stripe_peer.events[-1])
    with pytest.raises(RefundReturned):
        refunds.withdraw_refund(payment_id=payment.id, refund_id=paid.id)


def test_a_cancelled_order_is_not_charged(run_reactions):
    order = OrderFactory()
    capture.start_payment(order_id=order.id, method="sandbox", token="tok_ok")
    cancel(order)
    with pytest.raises(OrderNotPayable):
        capture.start_payment(order_id=order.id, method="sandbox", token="tok_ok")


def test_a_second_manual_payment_does_not_extend_the_deadline(run_reactions):
    order = OrderFactory()
    first = start_payment(order, method="manual")
    run_reactions()
    start_payment(order)
    last = start_payment(order, method="manual")
    assert last.blocks_expiry_until == first.blocks_expiry_until
    run_reactions()
    assert event_names(order).count("order.reservation_extended") == 1


def test_a_returned_refund_is_paid_out_by_hand(stripe_peer):
    payment = start(token="pm_card_visa")
    paid = refund(payment, "50")
    assert Payment.objects.get().status == "refunded"
    stripe_peer.finish(paid.gateway_refund_id, "failed", "lost_or_stolen_card")
    for event in reversed(stripe_peer.events):
        for _ in range(2):
            deliver(stripe_peer, event)
    payment = selectors.get(payment.id)
    assert (payment.status, payment.refunded, payment.refunding) == ("succeeded", 0, 50)
    assert event_data(payment.order, "refund.failed")["error_code"] == "lost_or_stolen_card"
    assert [refund.id for refund in payment.pending_refunds(by_hand=True)] == [paid.id]
    refunds.record_refund(payment_id=payment.id, refund_id=paid.id)
    assert Payment.objects.get().status == "refunded"
    assert event_names(payment.order).count("payment.refunded") == 1


def test_a_manual_refund_can_be_withdrawn():
    payment = start_payment(OrderFactory(), token="tok_ok")
    credit = refund(payment, "10", method="store_credit")
    for _ in range(2):
        refunds.withdraw_refund(payment_id=payment.id, refund_id=credit.id)
    assert selectors.get(payment.id).refundable == 50
    assert not Payment.objects.filter(selectors.with_failed_refunds()).exists()


def test_a_cancelled_order_whose_refund_is_withdrawn_waits_for_an_operator(run_reactions):
    payment = start_payment(OrderFactory(), method="manual")
    capture.capture_payment(payment_id=payment.id)
    run_reactions()
    cancel(payment.order)
    run_reactions()
    (due,) = selectors.get(payment.id).pending_refunds(by_hand=True)
    refunds.withdraw_refund(payment_id=payment.id, refund_id=due.id)
    assert Payment.objects.filter(selectors.with_failed_refunds()).get() == payment


def test_the_disabled_sandbox_captures_nothing(settings):
    payment = capture.start_payment(order_id=OrderFactory().id, method="sandbox", token="tok_ok")
    settings.PAYMENT_SANDBOX = False
    assert call(payment).status == "opening"
