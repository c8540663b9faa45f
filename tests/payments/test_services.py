"""Asking for money and hearing what came of it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from events.aggregate import InvalidTransition
from orders import services as orders
from orders.models import Order
from payments import selectors, services
from payments.models import Payment
from payments.services.taking import MethodUnavailable, NotPayable, PaymentOpen, UnknownToken
from tests.factories import OrderFactory, PaymentFactory, cancel, pay, start_payment
from tests.facts import data, mark, told

pytestmark = pytest.mark.django_db


def start(order, method="sandbox", token=None):
    return services.start_payment(order_id=order.id, method=method, token=token)


def retry(payment, token="tok_ok"):
    services.retry_payment(payment_id=payment.id, token=token)
    services.call_gateway(payment_id=payment.id)
    return Payment.objects.get(pk=payment.pk)


def ask_again(payment, after=timedelta(minutes=1)):
    services.call_due_gateways(now=timezone.now() + after)
    return Payment.objects.get(pk=payment.pk)


def expire(order, after=timedelta(hours=1)):
    orders.expire_unpaid_orders(now=timezone.now() + after)
    order.refresh_from_db()
    return order.status


class TestStarting:
    def test_the_amount_is_what_is_due(self):
        payment = start(OrderFactory())
        assert (payment.amount, payment.currency, payment.status) == (50, "USD", "opening")

    def test_asking_again_returns_the_open_payment(self):
        order = OrderFactory()
        first = start(order)
        assert start(order, token="tok_ok").id == first.id

    def test_another_method_replaces_one_that_waits_for_the_customer(self):
        order = OrderFactory()
        before = start_payment(order, method="manual")
        payment = start(order, token="tok_ok")
        before.refresh_from_db()
        assert (before.status, payment.status) == ("failed", "opening")
        assert data(order, "payment.abandoned")["reason"] == "another_method"

    def test_another_method_does_not_replace_one_whose_money_may_be_on_its_way(self):
        order = OrderFactory()
        start_payment(order, token="tok_slow")
        with pytest.raises(PaymentOpen, match="may still succeed"):
            start(order, method="manual")

    @pytest.mark.parametrize("status", ["pending", "confirmed", "cancelled"])
    def test_only_a_placed_order_is_paid(self, status):
        with pytest.raises(NotPayable, match=f"is {status}"):
            start(OrderFactory(status=status))

    def test_what_is_paid_and_not_confirmed_yet_is_not_paid_again(self):
        order = OrderFactory()
        pay(order)
        with pytest.raises(NotPayable):
            start(order)

    def test_an_unknown_token_of_the_sandbox_is_refused_with_those_that_it_has(self):
        with pytest.raises(UnknownToken, match="tok_ok, tok_declined"):
            start(OrderFactory(), token="tok_no")

    def test_the_sandbox_is_off_unless_it_is_turned_on(self, settings):
        settings.PAYMENT_SANDBOX = False
        with pytest.raises(MethodUnavailable, match="PAYMENT_SANDBOX"):
            start(OrderFactory())

    @pytest.mark.parametrize(("key", "account"), [("", "acct_1"), ("sk_1", None)])
    def test_stripe_needs_a_key_and_the_organizations_account(self, settings, key, account):
        settings.STRIPE_API_KEY = key
        services.set_account(
            organization_id="org_1", stripe_account=account, manual_payment_days=None
        )
        with pytest.raises(MethodUnavailable, match="STRIPE_API_KEY and its account"):
            start(OrderFactory(), method="stripe")


class TestPaying:
    def test_a_payment_confirms_its_order(self, settle):
        order = OrderFactory()
        payment = pay(order)
        settle()
        order.refresh_from_db()
        assert (order.status, order.payment_id) == ("confirmed", payment.id)
        assert told(order)[2:] == [
            "payment.opened",
            "payment.pending",
            "payment.succeeded",
            "order.confirmed",
        ]
        assert data(order, "payment.succeeded")["card_last4"] == "4242"
        assert data(order, "payment.pending")["gateway_payment_id"]

    def test_a_lost_answer_is_asked_for_until_it_comes(self, settle):
        order = OrderFactory()
        payment = start_payment(order, token="tok_timeout")
        assert (payment.status, payment.last_error) == (
            "opening",
            "The sandbox did not answer in time.",
        )
        assert ask_again(payment).status == "succeeded"
        assert data(order, "payment.succeeded")["amount"] == "50.00"

    def test_money_on_its_way_is_asked_about(self):
        payment = start_payment(OrderFactory(), token="tok_slow")
        assert (payment.status, payment.keeps_order) == ("pending", True)
        assert ask_again(payment).status == "succeeded"

    def test_the_token_is_forgotten_once_it_has_been_used(self):
        for token in ("tok_ok", "tok_declined"):
            payment = start_payment(OrderFactory(), token=token)
            assert payment.attempt.token is None

    def test_another_amount_holds_the_order_and_never_confirms_it(self, settle):
        order = OrderFactory()
        payment = start_payment(order, token="tok_wrong_amount")
        settle()
        order.refresh_from_db()
        assert (order.status, order.hold_reason) == ("placed", "payment")
        assert order.hold_note == f"{payment.id} brought 50.01 USD instead of 50.00 USD."
        assert "payment.succeeded" not in told(order)
        assert expire(order) == "placed", "an operator decides, not the timer"
        assert start(order).amount == 50, "what came does not count"

    def test_a_payment_for_an_order_cancelled_meanwhile_goes_back(self, settle):
        order = OrderFactory()
        payment = start_payment(order, token="tok_slow")
        cancel(order)
        ask_again(payment)
        settle()
        services.call_gateway(payment_id=payment.id)
        payment.refresh_from_db()
        assert payment.status == "refunded"
        assert data(order, "payment.refunded")["refund_reason"] == "order_cancelled"
        assert "order.confirmed" not in told(order)

    def test_other_money_for_an_order_cancelled_meanwhile_goes_back_too(self, settle):
        order = OrderFactory()
        services.start_payment(order_id=order.id, method="sandbox", token="tok_wrong_amount")
        orders.cancel_order(order_id=order.id, reason="fraud")
        services.call_due_gateways(now=timezone.now() + timedelta(minutes=1))
        settle()
        assert data(order, "refund.requested")["amount"] == "50.01"

    def test_an_order_that_is_paid_twice_gives_the_second_money_back(self, settle):
        order = OrderFactory()
        late = start_payment(order, token="tok_declined")
        pay(order)
        late = retry_late(late)
        settle()
        assert data(order, "refund.requested") | {"refund_id": ""} == {
            "refund_id": "",
            "payment_id": late.id,
            "order_id": order.id,
            "amount": "50.00",
            "currency": "USD",
            "reason": "other",
            "method": "original_payment",
        }
        assert selectors.received(order.id) == 50


def retry_late(payment):
    """Its customer tries again at the gateway, which nobody here has been asked about."""
    from tests.payments.test_lifecycle import capture_of, hear

    hear(payment, **capture_of(payment, payment.amount))
    return Payment.objects.get(pk=payment.pk)


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
        services.call_gateway(payment_id=payment.id)
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
        with pytest.raises(PaymentOpen):
            retry(declined)

    def test_a_retry_of_what_is_paid_is_refused(self):
        order = OrderFactory()
        declined = start_payment(order, token="tok_declined")
        pay(order)
        with pytest.raises(NotPayable):
            retry(declined)

    def test_a_retry_that_comes_twice_is_one(self):
        payment = start_payment(OrderFactory(), token="tok_declined")
        services.retry_payment(payment_id=payment.id, token="tok_ok")
        before = mark()
        services.retry_payment(payment_id=payment.id, token="tok_ok")
        assert told(payment.order, after=before) == []


class TestByHand:
    def test_an_operator_records_the_money(self, settle):
        order = OrderFactory()
        payment = start_payment(order, method="manual")
        assert data(order, "payment.pending")["gateway_payment_id"] is None
        services.capture_payment(payment_id=payment.id, card_last4="1234")
        settle()
        order.refresh_from_db()
        assert order.status == "confirmed"
        assert data(order, "payment.succeeded")["card_last4"] == "1234"

    def test_recording_it_twice_is_once(self):
        payment = start_payment(OrderFactory(), method="manual")
        services.capture_payment(payment_id=payment.id)
        before = mark()
        services.capture_payment(payment_id=payment.id)
        assert told(payment.order, after=before) == []

    def test_a_transfer_that_comes_too_late_is_recorded_and_owed_back(self, settle):
        order = OrderFactory()
        payment = start_payment(order, method="manual")
        cancel(order)
        settle()
        services.capture_payment(payment_id=payment.id)
        settle()
        payment = selectors.get(payment.id)
        assert [refund.status for refund in payment.owed_by_hand()] == ["pending"]
        assert Payment.objects.filter(selectors.with_refunds_by_hand()).get() == payment

    def test_a_gateways_money_is_not_recorded_by_hand(self):
        with pytest.raises(InvalidTransition, match="a gateway says itself"):
            services.capture_payment(payment_id=PaymentFactory(status="pending").id)


class TestTheClock:
    def test_a_payment_that_waits_for_the_customer_does_not_stop_it(self, settle):
        order = OrderFactory()
        payment = start_payment(order)
        assert expire(order) == "cancelled"
        settle()
        services.call_gateway(payment_id=payment.id)
        payment.refresh_from_db()
        assert payment.status == "failed"
        assert payment.closed_at

    @pytest.mark.parametrize("token", ["tok_timeout", "tok_slow"])
    def test_money_that_may_be_on_its_way_stops_it(self, token, settle):
        order = OrderFactory()
        payment = start_payment(order, token=token)
        assert expire(order) == "placed"
        ask_again(payment)
        settle()
        order.refresh_from_db()
        assert order.status == "confirmed"

    def test_a_transfer_stops_it_for_days(self):
        order = OrderFactory()
        start_payment(order, method="manual")
        assert expire(order, after=timedelta(days=6)) == "placed"
        assert expire(order, after=timedelta(days=8)) == "cancelled"

    def test_an_organization_may_wait_longer_for_a_transfer(self):
        services.set_account(organization_id="org_1", stripe_account=None, manual_payment_days=30)
        order = OrderFactory()
        start_payment(order, method="manual")
        assert expire(order, after=timedelta(days=29)) == "placed"


class TestCancelling:
    def test_what_was_paid_goes_back_and_the_event_says_so(self, settle):
        order = OrderFactory(status="confirmed")
        cancel(order)
        assert data(order, "order.cancelled")["refund_required"]
        settle()
        payment = selectors.of_order(order.id)[0]
        services.call_gateway(payment_id=payment.id)
        assert data(order, "payment.refunded")["refund_amount"] == "50.00"

    def test_what_was_given_back_before_is_not_given_twice(self, settle):
        order = OrderFactory(status="confirmed")
        payment = selectors.of_order(order.id)[0]
        services.request_refund(payment_id=payment.id, amount=order.total, reason="operator")
        services.call_gateway(payment_id=payment.id)
        cancel(order)
        settle()
        assert not data(order, "order.cancelled")["refund_required"]
        assert told(order).count("refund.requested") == 1

    def test_written_off_units_are_paid_back(self, settle):
        order = OrderFactory(status="confirmed")
        orders.write_off_units(
            order_id=order.id, units={order.lines[0].id: 1}, reason="out_of_stock"
        )
        settle()
        refund = data(order, "refund.requested")
        assert (refund["amount"], refund["reason"]) == ("25.00", "units_written_off")

    def test_writing_everything_off_pays_everything_back(self, settle):
        order = OrderFactory(status="confirmed", shipping={"cost": Decimal("9.90")})
        settle()
        orders.write_off_units(
            order_id=order.id, units={order.lines[0].id: 2}, reason="out_of_stock"
        )
        settle()
        refunds = selectors.of_order(order.id)[0].givebacks
        assert [(refund.amount, refund.reason) for refund in refunds] == [
            (Decimal("50.00"), "units_written_off"),
            (Decimal("9.90"), "order_cancelled"),
        ]


@pytest.mark.parametrize(
    ("refunded", "status"),
    [("0", "paid"), ("10", "partially_refunded"), ("50", "refunded")],
)
def test_the_orders_payment_status_says_what_went_back(api, refunded, status):
    order = OrderFactory(status="confirmed")
    payment = selectors.of_order(order.id)[0]
    if Decimal(refunded):
        services.request_refund(payment_id=payment.id, amount=Decimal(refunded), reason="operator")
        services.call_gateway(payment_id=payment.id)
    assert api.get(f"/api/v1/orders/{order.id}").json()["payment_status"] == status
