"""A captured amount that is not the charged one: an operator applies it or gives it back."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from config.core import request_context
from events.aggregate import InvalidTransition
from events.models import EventRecord
from orders.exceptions import MismatchUnresolved
from orders.models import Order, Policy
from orders.services import lifecycle, reservations
from payments import selectors
from payments.exceptions import OrderNotPayable
from payments.models import Payment
from payments.services import capture, gateway, refunds
from tests.factories import OrderFactory, cancel, invoice_of, locked, pay, refund, start_payment
from tests.log import event_data, event_names, latest_number
from tests.payments.flows import captured, report

pytestmark = pytest.mark.django_db


def mismatched(amount="50.01", currency="USD", order=None):
    """Return a payment of 50.00 USD that captured another amount."""
    payment = start_payment(order or OrderFactory())
    report(payment, **captured(payment, Decimal(amount)) | {"currency": currency})
    return Payment.objects.get(pk=payment.pk)


def status(payment):
    order = Order.objects.get(pk=payment.order_id)
    return order.status, order.hold_reason


def published(order, name):
    """Return the amounts that consumers read in the events of a name."""
    bodies = EventRecord.objects.filter(stream=order.id, name=name).order_by("number")
    data = [
        json.loads(body, parse_float=str)["data"] for body in bodies.values_list("body", flat=True)
    ]
    return [each.get("amount") or each["refund_amount"] for each in data]


class TestApplying:
    def test_too_much_money_confirms_the_order_and_the_rest_goes_back(self, api, run_reactions):
        payment = mismatched("50.01")
        run_reactions()
        assert status(payment) == ("placed", "payment")
        response = api.post(f"/api/v1/payments/{payment.id}/apply")
        run_reactions()
        assert (response.status_code, response.json()["is_mismatched"]) == (200, True)
        assert status(payment) == ("confirmed", None)
        assert event_data(payment.order, "payment.mismatch_resolved")["resolution"] == "applied"
        surplus = Payment.objects.get(surplus_of=payment)
        gateway.call_gateway(payment_id=surplus.id)
        surplus.refresh_from_db()
        assert (surplus.status, surplus.refunded) == ("refunded", Decimal("0.01"))
        assert published(payment.order, "payment.succeeded") == ["50.00"]
        assert published(payment.order, "payment.refunded") == []

    def test_what_was_captured_beyond_the_total_is_refunded_without_a_credit_note(
        self, api, run_reactions
    ):
        payment = mismatched("150.00")
        capture.apply_payment(payment_id=payment.id)
        run_reactions()
        credited = []
        for each, amount in ((Payment.objects.get(surplus_of=payment), None), (payment, "40.00")):
            gateway.call_gateway(payment_id=each.id) if amount is None else refund(each, amount)
            run_reactions()
            credited.append(invoice_of(payment.order).creditable_amount)
            shown = api.get(f"/api/v1/orders/{payment.order_id}").json()["payment_status"]
            assert (shown == "paid") == (credited[-1] == 50)
        assert credited == [50, 10]

    @pytest.mark.parametrize("amount", ["20.50", "49.99"])
    def test_an_order_that_is_paid_in_part_waits_for_the_rest_and_expires(
        self, amount, run_reactions
    ):
        payment = mismatched(amount)
        for _ in range(3):
            start_payment(payment.order, token="tok_declined")
        capture.apply_payment(payment_id=payment.id)
        run_reactions()
        for days, expected in [(6, "placed"), (8, "cancelled")]:
            lifecycle.expire_unpaid_orders(now=timezone.now() + timedelta(days=days))
            assert status(payment)[0] == expected
        run_reactions()
        assert Payment.objects.get(pk=payment.pk).refunding == Decimal(amount)

    def test_too_little_money_leaves_the_rest_due(self, api, run_reactions):
        payment = mismatched("20.50")
        run_reactions()
        capture.apply_payment(payment_id=payment.id)
        run_reactions()
        assert status(payment) == ("placed", None)
        shown = api.get(f"/api/v1/orders/{payment.order_id}").json()
        assert shown["payment_status"] == "partially_paid"
        rest = pay(payment.order)
        run_reactions()
        assert rest.amount == Decimal("29.50")
        assert status(payment) == ("confirmed", None)
        assert published(payment.order, "payment.succeeded") == ["20.50", "29.50"]

    def test_the_cancelled_order_refunds_what_was_applied(self, run_reactions):
        payment = mismatched("20.50")
        run_reactions()
        capture.apply_payment(payment_id=payment.id)
        run_reactions()
        cancel(payment.order)
        run_reactions()
        gateway.call_gateway(payment_id=payment.id)
        assert published(payment.order, "payment.succeeded") == ["20.50"]
        assert published(payment.order, "payment.refunded") == ["20.50"]

    def test_a_repeated_request_changes_nothing(self):
        payment = mismatched()
        capture.apply_payment(payment_id=payment.id)
        before = latest_number()
        capture.apply_payment(payment_id=payment.id)
        assert latest_number() == before

    def test_another_currency_can_only_be_refunded(self, api):
        payment = mismatched("50.00", "EUR")
        response = api.post(f"/api/v1/payments/{payment.id}/apply")
        assert (response.status_code, response.json()["code"]) == (409, "invalid_transition")
        assert "the order's currency" in response.json()["detail"]
        assert response.json()["allowed_actions"] == ["refund"]

    def test_a_payment_that_captured_the_charged_amount_is_not_applied(self):
        with pytest.raises(InvalidTransition, match="another amount was captured"):
            capture.apply_payment(payment_id=pay(OrderFactory()).id)

    def test_a_part_that_is_refunded_leaves_only_the_rest_to_refund(self):
        payment = mismatched()
        refund(payment, "0.01")
        with pytest.raises(InvalidTransition, match="none of it is refunded"):
            capture.apply_payment(payment_id=payment.id)

    def test_an_order_that_is_paid_otherwise_takes_no_more(self, run_reactions):
        payment = mismatched()
        run_reactions()
        pay(payment.order)
        run_reactions()
        assert status(payment) == ("confirmed", "payment"), "the first payment is to be decided"
        with pytest.raises(OrderNotPayable, match=f"refund {payment.id}"):
            capture.apply_payment(payment_id=payment.id)


class TestGivingBack:
    @pytest.mark.parametrize("currency", ["USD", "EUR"])
    def test_consumers_see_neither_the_money_nor_its_refund(self, currency, run_reactions):
        payment = mismatched("50.01", currency)
        run_reactions()
        refund(payment, "50.01")
        run_reactions()
        assert status(payment) == ("placed", None)
        assert Payment.objects.get(pk=payment.pk).status == "refunded"
        names = event_names(payment.order)
        assert "refund.succeeded" in names
        assert {"payment.succeeded", "payment.refunded"}.isdisjoint(names)

    def test_the_hold_ends_when_the_whole_amount_is_refunded(self, run_reactions):
        payment = mismatched()
        run_reactions()
        for amount, held in [("0.01", "payment"), ("50.00", None)]:
            refund(payment, amount)
            run_reactions()
            assert status(payment) == ("placed", held)
        assert event_names(payment.order).count("payment.mismatch_resolved") == 1

    def test_a_refund_that_is_withdrawn_leaves_the_hold(self):
        payment = mismatched()
        whole = {"amount": Decimal("50.01"), "reason": "operator", "method": "manual"}
        requested = refunds.request_refund(payment_id=payment.id, **whole)
        refunds.withdraw_refund(payment_id=payment.id, refund_id=requested.id)
        pay(payment.order)
        assert status(payment) == ("confirmed", "payment")

    def test_a_cancelled_order_stays_as_it_is(self, run_reactions):
        payment = mismatched()
        run_reactions()
        cancel(payment.order)
        run_reactions()
        gateway.call_gateway(payment_id=payment.id)
        assert status(payment) == ("cancelled", "payment")
        assert "payment.refunded" not in event_names(payment.order)


class TestReleasing:
    def test_the_hold_is_not_released_before_the_decision(self, api, run_reactions):
        payment = mismatched()
        run_reactions()
        response = api.post(f"/api/v1/orders/{payment.order_id}/release")
        assert (response.status_code, response.json()["code"]) == (409, "mismatch_unresolved")
        assert f"{payment.id} captured another amount" in response.json()["detail"]
        assert "Apply the payment or refund it" in response.json()["detail"]
        assert status(payment) == ("placed", "payment")

    def test_a_hold_for_another_reason_is_not_released_before_it_either(self, run_reactions):
        order = OrderFactory()
        lifecycle.hold_order(order_id=order.id, reason="fraud")
        payment = mismatched(order=order)
        run_reactions()
        with pytest.raises(MismatchUnresolved):
            lifecycle.release_order(order_id=order.id)
        capture.apply_payment(payment_id=payment.id)
        run_reactions()
        assert status(payment) == ("confirmed", "fraud"), "the decision does not end that hold"
        assert lifecycle.release_order(order_id=order.id).held_at is None

    def test_the_hold_stays_while_another_mismatch_is_to_be_decided(self, run_reactions):
        first = mismatched()
        second = mismatched("50.02", order=first.order)
        run_reactions()
        refund(first, "50.01")
        run_reactions()
        assert status(first) == ("placed", "payment")
        capture.apply_payment(payment_id=second.id)
        run_reactions()
        assert status(first) == ("confirmed", None)
        with locked(first.order) as order:
            assert selectors.received(order) == Decimal("50.00")

    def test_a_late_reservation_leaves_the_order_on_hold_for_the_mismatch(self, run_reactions):
        Policy.objects.create(organization_id="org_1", reservation="required")
        order = OrderFactory()
        late = start_payment(order)
        pay(order)
        due = Order.objects.get(pk=order.id).reservation_due_at
        lifecycle.hold_unreserved_orders(now=due)
        report(late, **captured(late, Decimal("50.01")))
        run_reactions()
        assert status(late) == ("paid", "reservation")
        places = [{"order_item_id": order.lines[0].id, "warehouse_id": "wh_1", "quantity": 2}]
        with request_context.use(actor="inventory"):
            reservations.reserve_stock(
                order_id=order.id, reservation_id="res_1", allocations=places
            )
        assert status(late) == ("confirmed", "payment")
        with pytest.raises(MismatchUnresolved):
            lifecycle.release_order(order_id=order.id)
        refund(late, "50.01")
        run_reactions()
        assert status(late) == ("confirmed", None)

    def test_a_hold_of_an_operator_does_not_end_by_itself(self, api, run_reactions):
        order = OrderFactory()
        api.post(f"/api/v1/orders/{order.id}/hold", {"reason": "payment"})
        payment = mismatched(order=order)
        capture.apply_payment(payment_id=payment.id)
        run_reactions()
        assert status(payment) == ("confirmed", "payment")
