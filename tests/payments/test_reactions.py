"""What payments and orders do when the other records an event, and when a timer runs."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.models import Policy
from orders.services import goods, lifecycle
from payments import selectors
from payments.exceptions import OrderNotConfirmed, OrderNotPayable
from payments.models import Payment, PaymentAccount
from payments.services import capture, gateway, refunds
from tests.factories import OrderFactory, cancel, locked, pay, start_payment
from tests.log import event_data, event_names
from tests.payments.flows import captured, report
from tests.reacting import as_rows

pytestmark = pytest.mark.django_db


def call_later(payment, after=timedelta(minutes=1)):
    gateway.call_due_gateways(now=timezone.now() + after)
    return Payment.objects.get(pk=payment.pk)


def expire(order, after=timedelta(hours=1)):
    lifecycle.expire_unpaid_orders(now=timezone.now() + after)
    order.refresh_from_db()
    return order.status


class TestPaying:
    def test_a_payment_confirms_its_order(self, run_reactions):
        order = OrderFactory()
        payment = pay(order)
        run_reactions()
        order.refresh_from_db()
        assert (order.status, order.payment_id) == ("confirmed", payment.id)
        assert event_names(order)[2:8] == [
            "payment.opened",
            "payment.pending",
            "payment.succeeded",
            "order.confirmed",
            "fulfillment.opened",
            "invoice.created",
        ]
        assert event_data(order, "payment.succeeded")["card_last4"] == "4242"
        assert event_data(order, "payment.pending")["gateway_payment_id"]

    def test_a_call_without_a_response_is_retried(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, token="tok_timeout")
        assert (payment.status, payment.last_error) == (
            "opening",
            "The sandbox did not respond in time.",
        )
        assert call_later(payment).status == "succeeded"
        assert event_data(order, "payment.succeeded")["amount"] == "50.00"

    def test_a_processing_payment_is_retrieved_again(self):
        payment = start_payment(OrderFactory(), token="tok_slow")
        assert (payment.status, payment.blocks_expiry) == ("pending", True)
        assert call_later(payment).status == "succeeded"

    def test_the_token_is_deleted_after_its_use(self):
        for token in ("tok_ok", "tok_declined"):
            payment = start_payment(OrderFactory(), token=token)
            assert payment.latest_attempt.token is None

    def test_a_mismatch_holds_the_order_and_does_not_confirm_it(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, token="tok_wrong_amount")
        run_reactions()
        order.refresh_from_db()
        assert (order.status, order.hold_reason) == ("placed", "payment")
        assert order.hold_note == f"{payment.id} captured 50.01 USD instead of 50.00 USD."
        assert "payment.succeeded" not in event_names(order)
        assert expire(order) == "placed", "an operator decides, not the timer"
        assert start_payment(order).amount == 50, "the mismatched amount does not pay the order"

    def test_a_payment_captured_after_the_cancellation_is_refunded(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, token="tok_slow")
        with as_rows():  # the cancellation does not abandon the payment yet
            cancel(order)
        call_later(payment)
        run_reactions()
        gateway.call_gateway(payment_id=payment.id)
        payment.refresh_from_db()
        assert payment.status == "refunded"
        assert event_data(order, "payment.refunded")["refund_reason"] == "order_cancelled"
        assert "order.confirmed" not in event_names(order)

    def test_a_mismatch_captured_after_the_cancellation_is_refunded(self, run_reactions):
        order = OrderFactory()
        capture.start_payment(order_id=order.id, method="sandbox", token="tok_wrong_amount")
        with as_rows():
            lifecycle.cancel_order(order_id=order.id, reason="fraud")
        gateway.call_due_gateways(now=timezone.now() + timedelta(minutes=1))
        run_reactions()
        assert event_data(order, "refund.requested")["amount"] == "50.01"

    def test_the_second_payment_of_an_order_is_refunded(self, run_reactions):
        order = OrderFactory()
        late = start_payment(order, token="tok_declined")
        pay(order)
        # The customer retries at the gateway, without a request to this service.
        report(late, **captured(late, late.amount))
        run_reactions()
        assert event_data(order, "refund.requested") | {"refund_id": ""} == {
            "refund_id": "",
            "payment_id": late.id,
            "order_id": order.id,
            "amount": "50.00",
            "currency": "USD",
            "reason": "other",
            "method": "original_payment",
            "cause": None,
            "parts": [
                {"kind": "goodwill", "order_item_id": None, "quantity": 0, "amount": "50.00"}
            ],
        }
        with locked(order) as order:
            assert selectors.received(order) == 50


class TestExpiry:
    def test_a_payment_that_waits_for_the_customer_does_not_block_it(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order)
        assert expire(order) == "cancelled"
        run_reactions()
        gateway.call_gateway(payment_id=payment.id)
        payment.refresh_from_db()
        assert payment.status == "failed"
        assert payment.closed_at

    @pytest.mark.parametrize("token", ["tok_timeout", "tok_slow"])
    def test_a_payment_that_may_be_capturing_blocks_it(self, token, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, token=token)
        assert expire(order) == "placed"
        call_later(payment)
        run_reactions()
        order.refresh_from_db()
        assert order.status == "confirmed"

    def test_a_capture_blocks_it_until_the_order_is_confirmed(self):
        order = OrderFactory()
        with as_rows():
            pay(order)
        assert expire(order) == "placed"

    def test_a_transfer_blocks_it_for_days(self):
        order = OrderFactory()
        start_payment(order, method="manual")
        assert expire(order, after=timedelta(days=6)) == "placed"
        assert expire(order, after=timedelta(days=8)) == "cancelled"

    def test_a_transfer_extends_the_reservation(self, run_reactions):
        order = OrderFactory()
        payment = start_payment(order, method="manual")
        run_reactions()
        order.refresh_from_db()
        days = order.reservation_expires_at - payment.created_at
        assert timedelta(days=7) <= days <= timedelta(days=7, seconds=1)
        assert event_data(order, "order.reservation_extended") == {
            "order_id": order.id,
            "reservation_id": None,
            "reservation_expires_at": f"{order.reservation_expires_at:%Y-%m-%dT%H:%M:%SZ}",
        }
        capture.abandon_payment(payment_id=payment.id)
        almost = order.reservation_expires_at - timedelta(seconds=1)
        assert lifecycle.expire_unpaid_orders(now=almost) == 0, "Inventory still has the stock"
        assert lifecycle.expire_unpaid_orders(now=order.reservation_expires_at) == 1

    def test_a_transfer_that_was_chosen_at_checkout_extends_nothing(self, run_reactions):
        order = OrderFactory(payment_method="manual")
        start_payment(order, method="manual")
        run_reactions()
        assert "order.reservation_extended" not in event_names(order)
        assert lifecycle.expire_unpaid_orders(now=order.reservation_expires_at) == 1

    def test_an_order_that_was_cancelled_meanwhile_waits_no_longer(self, run_reactions):
        order = OrderFactory()
        start_payment(order, method="manual")
        cancel(order)
        run_reactions()
        assert event_names(order).count("order.cancelled") == 1

    def test_an_organization_may_set_a_longer_deadline_for_transfers(self):
        PaymentAccount.objects.create(organization_id="org_1", manual_payment_days=30)
        order = OrderFactory()
        start_payment(order, method="manual")
        assert expire(order, after=timedelta(days=29)) == "placed"


class TestWaitingForTheReservation:
    """The order is paid, and Inventory has not answered yet."""

    def test_it_cannot_be_paid_again(self):
        order = OrderFactory(status="paid")
        with pytest.raises(OrderNotPayable):
            capture.start_payment(order_id=order.id, method="sandbox", token="tok_ok")

    def test_its_other_payments_are_abandoned(self, run_reactions):
        Policy.objects.create(organization_id="org_1", reservation="required")
        order = OrderFactory()
        slow = start_payment(order)
        manual = start_payment(order, method="manual")
        report(slow, **captured(slow, slow.amount))
        run_reactions()
        order.refresh_from_db()
        assert (order.status, order.payment_id) == ("paid", slow.id)
        manual.refresh_from_db()
        assert manual.abandoned_at
        capture.capture_payment(payment_id=manual.id)
        run_reactions()
        assert list(Payment.objects.filter(selectors.SURPLUS)) == [manual], "an operator decides"
        assert event_data(order, "payment.succeeded")["payment_id"] == slow.id

    def test_its_payment_cannot_be_refunded_but_the_order_cancelled(self, run_reactions):
        order = OrderFactory(status="paid")
        payment = selectors.of_order(order.id)[0]
        with pytest.raises(OrderNotConfirmed):
            refunds.request_refund(payment_id=payment.id, amount=Decimal(1), reason="operator")
        cancel(order)
        run_reactions()
        assert event_data(order, "refund.requested")["amount"] == "50.00"


class TestCancelling:
    def test_a_captured_payment_is_refunded_and_the_event_contains_it(self, run_reactions):
        order = OrderFactory(status="confirmed")
        cancel(order)
        assert event_data(order, "order.cancelled")["refund_required"]
        run_reactions()
        payment = selectors.of_order(order.id)[0]
        gateway.call_gateway(payment_id=payment.id)
        assert event_data(order, "payment.refunded")["refund_amount"] == "50.00"

    def test_an_earlier_refund_is_not_repeated(self, run_reactions):
        order = OrderFactory(status="confirmed")
        payment = selectors.of_order(order.id)[0]
        refunds.request_refund(payment_id=payment.id, amount=order.total, reason="operator")
        gateway.call_gateway(payment_id=payment.id)
        cancel(order)
        run_reactions()
        assert not event_data(order, "order.cancelled")["refund_required"]
        assert event_names(order).count("refund.requested") == 1

    def test_written_off_units_are_refunded(self, run_reactions):
        order = OrderFactory(status="confirmed")
        goods.write_off_units(
            order_id=order.id, units={order.lines[0].id: 1}, reason="out_of_stock"
        )
        run_reactions()
        refund = event_data(order, "refund.requested")
        assert (refund["amount"], refund["reason"]) == ("25.00", "units_written_off")

    def test_writing_off_all_units_refunds_everything(self, run_reactions):
        order = OrderFactory(status="confirmed", shipping={"cost": Decimal("9.90")})
        run_reactions()
        goods.write_off_units(
            order_id=order.id, units={order.lines[0].id: 2}, reason="out_of_stock"
        )
        run_reactions()
        refunds = selectors.of_order(order.id)[0].refunds
        assert [(refund.amount, refund.reason) for refund in refunds] == [
            (Decimal("50.00"), "units_written_off"),
            (Decimal("9.90"), "order_cancelled"),
        ]


@pytest.mark.parametrize(
    ("refunded", "status"),
    [("0", "paid"), ("10", "partially_refunded"), ("50", "refunded")],
)
def test_the_payment_status_of_the_order_follows_the_refunds(api, refunded, status):
    order = OrderFactory(status="confirmed")
    payment = selectors.of_order(order.id)[0]
    if Decimal(refunded):
        refunds.request_refund(payment_id=payment.id, amount=Decimal(refunded), reason="operator")
        gateway.call_gateway(payment_id=payment.id)
    assert api.get(f"/api/v1/orders/{order.id}").json()["payment_status"] == status
