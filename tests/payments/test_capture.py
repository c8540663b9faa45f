"""Starting, retrying and capturing payments, by a gateway or by hand."""

from decimal import Decimal

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
from tests.log import event_data, event_names, latest_number
from tests.payments.flows import captured, report
from tests.reacting import as_rows

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

    def test_a_second_start_returns_the_open_payment(self):
        order = OrderFactory()
        first = start(order, token="tok_ok")
        assert start(order).id == start(order, token="tok_ok").id == first.id

    def test_a_payment_with_a_card_replaces_one_without(self):
        order = OrderFactory()
        first = start_payment(order)
        assert start_payment(order, token="tok_ok").status == "succeeded"
        first.refresh_from_db()
        assert (first.status, event_data(order, "payment.abandoned")["payment_id"]) == (
            "failed",
            first.id,
        )

    def test_another_method_replaces_one_that_waits_for_the_customer(self):
        order = OrderFactory()
        before = start_payment(order, method="manual")
        payment = start(order, token="tok_ok")
        before.refresh_from_db()
        assert (before.status, payment.status) == ("failed", "opening")
        assert event_data(order, "payment.abandoned")["reason"] == "another_payment"

    def test_another_method_does_not_replace_one_that_may_be_capturing(self):
        order = OrderFactory()
        start_payment(order, token="tok_slow")
        with pytest.raises(PaymentInProgress, match="may be capturing money"):
            start(order, method="manual")

    @pytest.mark.parametrize("status", ["pending", "confirmed", "cancelled"])
    def test_only_a_placed_order_can_be_paid(self, status):
        with pytest.raises(OrderNotPayable, match=f"it is {status}"):
            start(OrderFactory(status=status))

    def test_an_order_that_is_paid_and_not_confirmed_is_not_charged_again(self):
        order = OrderFactory()
        with as_rows():
            pay(order)
        with pytest.raises(OrderNotPayable, match="about to be confirmed"):
            start(order)

    def test_an_unknown_sandbox_token_is_refused_with_the_known_ones(self):
        with pytest.raises(UnknownSandboxToken, match="tok_ok, tok_declined"):
            start(OrderFactory(), token="tok_no")

    def test_the_sandbox_is_disabled_by_default(self, settings):
        settings.PAYMENT_SANDBOX = False
        with pytest.raises(PaymentMethodUnavailable, match="PAYMENT_SANDBOX"):
            start(OrderFactory())

    @pytest.mark.parametrize(("key", "account"), [("", "acct_1"), ("sk_1", None)])
    def test_stripe_requires_a_key_and_an_account(self, settings, key, account):
        settings.STRIPE_API_KEY = key
        PaymentAccount.objects.create(organization_id="org_1", stripe_account=account)
        with pytest.raises(
            PaymentMethodUnavailable, match="STRIPE_API_KEY and a connected account"
        ):
            start(OrderFactory(), method="stripe")


class TestDeclining:
    def test_the_third_decline_cancels_the_order(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, token="tok_declined")
        left = [event_data(order, "payment.failed")["retries_remaining"]]
        for _ in range(2):
            payment = retry(payment, token="tok_declined")
            left.append(event_data(order, "payment.failed")["retries_remaining"])
        run_reactions()
        order.refresh_from_db()
        assert left == [2, 1, 0]
        assert (order.status, order.cancellation_reason) == ("cancelled", "payment_failed")
        assert event_data(order, "payment.failed")["error_code"] == "card_declined"
        assert event_names(order).count("payment.pending") == 3
        assert "payment.abandoned" not in event_names(order)
        assert not event_data(order, "order.cancelled")["refund_required"]

    @pytest.mark.parametrize("routes", ["start start", "start retry", "retry start"])
    def test_declines_count_for_the_order_whichever_request_repeats_the_attempt(
        self, routes, run_reactions
    ):
        order = OrderFactory()
        payment = start_payment(order, token="tok_declined")
        left = [event_data(order, "payment.failed")["retries_remaining"]]
        for route in routes.split():
            if route == "retry":
                payment = retry(payment, token="tok_declined")
            else:
                payment = start_payment(order, token="tok_declined")
            left.append(event_data(order, "payment.failed")["retries_remaining"])
        run_reactions()
        order.refresh_from_db()
        assert left == [2, 1, 0]
        assert (order.status, order.cancellation_reason) == ("cancelled", "payment_failed")

    def test_a_new_payment_shows_the_attempts_that_the_order_has_left(self, api):
        order = OrderFactory()
        start_payment(order, token="tok_declined")
        again = start_payment(order)
        assert api.get(f"/api/v1/payments/{again.id}").json()["retries_remaining"] == 2

    def test_without_attempts_left_only_money_that_is_received_by_hand_pays_the_order(self):
        order = OrderFactory()
        report(first := start_payment(order), **captured(first, Decimal("20")))  # to be decided
        for _ in range(3):
            start_payment(order, token="tok_declined")
        with pytest.raises(OrderNotPayable, match="3 attempts were declined"):
            start(order, token="tok_ok")
        assert start(order, method="manual").status == "opening"

    def test_the_third_decline_ends_an_order_that_is_paid_in_part(self, run_reactions):
        order = OrderFactory()
        report(first := start_payment(order), **captured(first, Decimal("20")))
        capture.apply_payment(payment_id=first.id)
        for _ in range(3):
            start_payment(order, token="tok_declined")
        run_reactions()
        order.refresh_from_db()
        assert (order.status, order.cancellation_reason) == ("cancelled", "payment_failed")
        assert event_data(order, "refund.requested")["amount"] == "20.00"

    def test_a_payment_without_attempts_left_is_not_retried(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, token="tok_declined")
        with as_rows():
            for _ in range(2):
                payment = retry(payment, token="tok_declined")
        gateway.call_gateway(payment_id=payment.id)
        payment.refresh_from_db()
        assert payment.closed_at, "the gateway has cancelled it"
        with pytest.raises(InvalidTransition, match="start a new payment"):
            retry(payment)

    def test_the_third_decline_cancels_nothing_while_another_payment_may_succeed(
        self, run_reactions
    ):
        order = OrderFactory()
        payment = start_payment(order, token="tok_declined")
        with as_rows():
            for _ in range(2):
                payment = retry(payment, token="tok_declined")
            start(order, method="manual")
        run_reactions()
        order.refresh_from_db()
        assert order.status == "placed"

    def test_a_retry_with_another_card_may_succeed(self, run_reactions):
        payment = retry(start_payment(OrderFactory(), token="tok_declined"))
        run_reactions()
        assert payment.status == "succeeded"
        assert Order.objects.get(pk=payment.order_id).status == "confirmed"

    def test_a_retry_beside_another_open_payment_is_refused(self):
        order = OrderFactory()
        declined = start_payment(order, token="tok_declined")
        start(order, method="manual")
        with pytest.raises(OrderNotPayable, match="about to pay all that is due"):
            retry(declined)

    def test_a_retry_of_a_paid_order_is_refused(self):
        order = OrderFactory()
        declined = start_payment(order, token="tok_declined")
        pay(order)
        with pytest.raises(OrderNotPayable):
            retry(declined)

    def test_a_repeated_retry_is_one_attempt(self):
        payment = start_payment(OrderFactory(), token="tok_declined")
        capture.retry_payment(payment_id=payment.id, token="tok_ok")
        before = latest_number()
        capture.retry_payment(payment_id=payment.id, token="tok_ok")
        assert event_names(payment.order, after=before) == []


class TestManual:
    def test_an_operator_records_the_money(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, method="manual")
        assert event_data(order, "payment.pending")["gateway_payment_id"] is None
        capture.capture_payment(payment_id=payment.id, card_last4="1234")
        run_reactions()
        order.refresh_from_db()
        assert order.status == "confirmed"
        assert event_data(order, "payment.succeeded")["card_last4"] == "1234"

    def test_a_repeated_capture_is_one_capture(self):
        payment = start_payment(OrderFactory(), method="manual")
        capture.capture_payment(payment_id=payment.id)
        before = latest_number()
        capture.capture_payment(payment_id=payment.id)
        assert event_names(payment.order, after=before) == []

    def test_a_late_transfer_is_recorded_and_refunded(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, method="manual")
        cancel(order)
        run_reactions()
        capture.capture_payment(payment_id=payment.id)
        run_reactions()
        payment = selectors.get(payment.id)
        assert [refund.status for refund in payment.pending_refunds(by_hand=True)] == ["pending"]
        assert Payment.objects.filter(selectors.with_manual_refunds()).get() == payment

    def test_one_that_is_abandoned_at_once_is_pending_before_it_is_captured(self):
        payment = start(OrderFactory(), method="manual")
        capture.abandon_payment(payment_id=payment.id)
        before = latest_number()
        capture.capture_payment(payment_id=payment.id)
        names = event_names(payment.order, after=before)
        assert names[:2] == ["payment.pending", "payment.succeeded"]

    def test_a_gateway_payment_is_not_captured_by_hand(self):
        with pytest.raises(
            InvalidTransition, match="the other gateways report a capture themselves"
        ):
            capture.capture_payment(payment_id=PaymentFactory(status="pending").id)
