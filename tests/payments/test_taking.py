"""Asking for money, once or again, by a gateway or by hand."""

import pytest

from events.aggregate import InvalidTransition
from orders.models import Order
from payments import selectors
from payments.exceptions import (
    OrderNotPayable,
    PaymentInProgress,
    PaymentMethodUnavailable,
    UnknownSandboxToken,
)
from payments.models import Payment, PaymentAccount
from payments.services import capture, gateway
from tests.factories import OrderFactory, PaymentFactory, cancel, pay, start_payment
from tests.facts import data, mark, told

pytestmark = pytest.mark.django_db


def start(order, method="sandbox", token=None):
    return capture.start_payment(order_id=order.id, method=method, token=token)


def retry(payment, token="tok_ok"):
    capture.retry_payment(payment_id=payment.id, token=token)
    gateway.call_gateway(payment_id=payment.id)
    return Payment.objects.get(pk=payment.pk)


class TestStarting:
    def test_the_amount_is_what_is_due(self):
        payment = start(OrderFactory())
        assert (payment.amount, payment.currency, payment.status) == (50, "USD", "opening")

    def test_asking_again_returns_the_open_payment(self):
        order = OrderFactory()
        first = start(order, token="tok_ok")
        assert start(order).id == start(order, token="tok_ok").id == first.id

    def test_another_card_replaces_one_that_the_customer_never_gave(self):
        order = OrderFactory()
        first = start_payment(order)
        assert start_payment(order, token="tok_ok").status == "succeeded"
        first.refresh_from_db()
        assert (first.status, data(order, "payment.abandoned")["payment_id"]) == (
            "failed",
            first.id,
        )

    def test_another_method_replaces_one_that_waits_for_the_customer(self):
        order = OrderFactory()
        before = start_payment(order, method="manual")
        payment = start(order, token="tok_ok")
        before.refresh_from_db()
        assert (before.status, payment.status) == ("failed", "opening")
        assert data(order, "payment.abandoned")["reason"] == "another_payment"

    def test_another_method_does_not_replace_one_whose_money_may_be_on_its_way(self):
        order = OrderFactory()
        start_payment(order, token="tok_slow")
        with pytest.raises(PaymentInProgress, match="may be capturing money"):
            start(order, method="manual")

    @pytest.mark.parametrize("status", ["pending", "confirmed", "cancelled"])
    def test_only_a_placed_order_is_paid(self, status):
        with pytest.raises(OrderNotPayable, match=f"it is {status}"):
            start(OrderFactory(status=status))

    def test_what_is_paid_and_not_confirmed_yet_is_not_paid_again(self):
        order = OrderFactory()
        pay(order)
        with pytest.raises(OrderNotPayable):
            start(order)

    def test_an_unknown_token_of_the_sandbox_is_refused_with_those_that_it_has(self):
        with pytest.raises(UnknownSandboxToken, match="tok_ok, tok_declined"):
            start(OrderFactory(), token="tok_no")

    def test_the_sandbox_is_off_unless_it_is_turned_on(self, settings):
        settings.PAYMENT_SANDBOX = False
        with pytest.raises(PaymentMethodUnavailable, match="PAYMENT_SANDBOX"):
            start(OrderFactory())

    @pytest.mark.parametrize(("key", "account"), [("", "acct_1"), ("sk_1", None)])
    def test_stripe_needs_a_key_and_the_organizations_account(self, settings, key, account):
        settings.STRIPE_API_KEY = key
        PaymentAccount.objects.create(organization_id="org_1", stripe_account=account)
        with pytest.raises(
            PaymentMethodUnavailable, match="STRIPE_API_KEY and a connected account"
        ):
            start(OrderFactory(), method="stripe")


class TestDeclining:
    def test_three_attempts_then_the_order_is_cancelled(self, settle):
        order = OrderFactory()
        payment = start_payment(order, token="tok_declined")
        left = [data(order, "payment.failed")["retries_remaining"]]
        for _ in range(2):
            payment = retry(payment, token="tok_declined")
            left.append(data(order, "payment.failed")["retries_remaining"])
        settle()
        order.refresh_from_db()
        assert left == [2, 1, 0]
        assert (order.status, order.cancellation_reason) == ("cancelled", "payment_failed")
        assert data(order, "payment.failed")["error_code"] == "card_declined"
        assert told(order).count("payment.pending") == 3
        assert "payment.abandoned" not in told(order)
        assert not data(order, "order.cancelled")["refund_required"]

    def test_an_exhausted_payment_is_not_tried_again(self, settle):
        order = OrderFactory()
        payment = start_payment(order, token="tok_declined")
        for _ in range(2):
            payment = retry(payment, token="tok_declined")
        gateway.call_gateway(payment_id=payment.id)
        payment.refresh_from_db()
        assert payment.closed_at, "the gateway is told to take nothing any more"
        with pytest.raises(InvalidTransition, match="start a new payment"):
            retry(payment)

    def test_an_exhausted_payment_beside_one_that_may_succeed_cancels_nothing(self, settle):
        order = OrderFactory()
        payment = start_payment(order, token="tok_declined")
        for _ in range(2):
            payment = retry(payment, token="tok_declined")
        start(order, method="manual")
        settle()
        order.refresh_from_db()
        assert order.status == "placed"

    def test_a_retry_with_another_card_may_succeed(self, settle):
        payment = retry(start_payment(OrderFactory(), token="tok_declined"))
        settle()
        assert payment.status == "succeeded"
        assert Order.objects.get(pk=payment.order_id).status == "confirmed"

    def test_a_retry_beside_another_open_payment_is_refused(self):
        order = OrderFactory()
        declined = start_payment(order, token="tok_declined")
        start(order, method="manual")
        with pytest.raises(PaymentInProgress):
            retry(declined)

    def test_a_retry_of_what_is_paid_is_refused(self):
        order = OrderFactory()
        declined = start_payment(order, token="tok_declined")
        pay(order)
        with pytest.raises(OrderNotPayable):
            retry(declined)

    def test_a_retry_that_comes_twice_is_one(self):
        payment = start_payment(OrderFactory(), token="tok_declined")
        capture.retry_payment(payment_id=payment.id, token="tok_ok")
        before = mark()
        capture.retry_payment(payment_id=payment.id, token="tok_ok")
        assert told(payment.order, after=before) == []


class TestByHand:
    def test_an_operator_records_the_money(self, settle):
        order = OrderFactory()
        payment = start_payment(order, method="manual")
        assert data(order, "payment.pending")["gateway_payment_id"] is None
        capture.capture_payment(payment_id=payment.id, card_last4="1234")
        settle()
        order.refresh_from_db()
        assert order.status == "confirmed"
        assert data(order, "payment.succeeded")["card_last4"] == "1234"

    def test_recording_it_twice_is_once(self):
        payment = start_payment(OrderFactory(), method="manual")
        capture.capture_payment(payment_id=payment.id)
        before = mark()
        capture.capture_payment(payment_id=payment.id)
        assert told(payment.order, after=before) == []

    def test_a_transfer_that_comes_too_late_is_recorded_and_owed_back(self, settle):
        order = OrderFactory()
        payment = start_payment(order, method="manual")
        cancel(order)
        settle()
        capture.capture_payment(payment_id=payment.id)
        settle()
        payment = selectors.get(payment.id)
        assert [refund.status for refund in payment.pending_manual_refunds()] == ["pending"]
        assert Payment.objects.filter(selectors.with_manual_refunds()).get() == payment

    def test_a_gateways_money_is_not_recorded_by_hand(self):
        with pytest.raises(
            InvalidTransition, match="the other gateways report a capture themselves"
        ):
            capture.capture_payment(payment_id=PaymentFactory(status="pending").id)
