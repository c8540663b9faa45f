"""Money that a gateway reserves first: captured in whole or in part, voided, or lost."""

from datetime import timedelta
from decimal import Decimal

import pytest

from orders.models import Order, Policy
from payments.models import Payment, PaymentAccount
from payments.services import capture
from tests.factories import OrderFactory, cancel, invoice_of, start_payment, write_off
from tests.log import event_data, event_names
from tests.payments.flows import call, captured, connect, deliver, expire, report

pytestmark = pytest.mark.django_db


def authorize(order, **given):
    return start_payment(order, token="tok_ok", captures_later=True, **given)


def show(api, order):
    return api.get(f"/api/v1/orders/{order.id}").json()


def confirm_by_authorization():
    PaymentAccount.objects.create(organization_id="org_1", confirm_on_authorization=True)


class TestCapturing:
    def test_an_authorized_order_waits_until_it_is_captured(self, api, run_reactions):
        order = OrderFactory()
        body = {
            "order_id": order.id,
            "payment_method": "sandbox",
            "gateway_token": "tok_ok",
            "capture_later": True,
        }
        made = api.post("/api/v1/payments", body, headers={"Idempotency-Key": "key-1"}).json()
        assert (made["status"], made["captured"]) == ("authorized", "0.00")
        assert made["allowed_actions"] == ["capture", "void"]
        shown = show(api, order)
        assert (shown["status"], shown["payment_status"]) == ("placed", "authorized")
        paid = api.post(f"/api/v1/payments/{made['id']}/capture", {}).json()
        run_reactions()
        assert (paid["status"], paid["captured"], paid["card_last4"]) == (
            "succeeded",
            "50.00",
            "4242",
        )
        shown = show(api, order)
        assert (shown["status"], shown["payment_status"]) == ("confirmed", "paid")
        assert shown["payment_id"] == made["id"]

    def test_of_a_part_the_rest_is_due_again(self, api, run_reactions):
        order = OrderFactory()
        payment = authorize(order)
        paid = api.post(f"/api/v1/payments/{payment.id}/capture", {"amount": "30.00"}).json()
        assert (paid["status"], paid["captured"]) == ("succeeded", "30.00")
        assert event_data(order, "payment.succeeded")["amount"] == "30.00"
        shown = show(api, order)
        assert (shown["payment_status"], shown["amount_due"]) == ("partially_paid", "20.00")

    @pytest.mark.parametrize("amount", ["50.01", "0.001"])
    def test_another_amount_is_refused(self, api, amount):
        payment = authorize(OrderFactory())
        refused = api.post(f"/api/v1/payments/{payment.id}/capture", {"amount": amount})
        assert refused.status_code == 422
        payment.refresh_from_db()
        assert (payment.status, payment.capture_amount) == ("authorized", None)

    def test_two_captures_at_once_are_no_more_than_what_is_due(self, api, run_reactions):
        confirm_by_authorization()
        order = OrderFactory()
        first = authorize(order, amount=Decimal(30))
        second = authorize(order, amount=Decimal(20))
        run_reactions()
        write_off(order, 0, 1)
        run_reactions()
        capture.capture_payment(payment_id=second.id)
        refused = api.post(f"/api/v1/payments/{first.id}/capture", {"amount": "5.01"})
        assert (refused.status_code, refused.json()["max_capturable"]) == (422, "5.00")
        assert api.post(f"/api/v1/payments/{first.id}/capture", {}).json()["captured"] == "5.00"
        assert call(second).captured == 20
        run_reactions()
        shown = show(api, order)
        assert (shown["payment_status"], shown["amount_due"]) == ("paid", "0.00")

    def test_a_repeated_capture_changes_nothing(self, api):
        payment = authorize(OrderFactory())
        for _ in range(2):
            api.post(f"/api/v1/payments/{payment.id}/capture", {"amount": "30.00"})
        assert Payment.objects.get().captured == 30
        other = api.post(f"/api/v1/payments/{payment.id}/capture", {"amount": "20.00"})
        assert other.status_code == 409

    def test_it_is_paid_when_it_is_captured(self):
        payment = authorize(OrderFactory())
        capture.capture_payment(payment_id=payment.id)
        days_ago = payment.authorized_at - timedelta(days=3)
        report(payment, **captured(payment, payment.amount), paid_at=days_ago)
        payment.refresh_from_db()
        assert payment.paid_at >= payment.created_at

    def test_the_timer_makes_a_capture_that_a_killed_process_left(self):
        payment = authorize(OrderFactory())
        capture.capture_payment(payment_id=payment.id)
        assert call(payment).captured == 50


class TestVoiding:
    def test_a_voided_payment_can_be_replaced(self, api):
        order = OrderFactory()
        payment = authorize(order)
        for _ in range(2):
            voided = api.post(f"/api/v1/payments/{payment.id}/void", {}).json()
            assert voided["status"] == "failed"
        assert call(payment).closed_at
        assert show(api, order)["payment_status"] == "unpaid"
        assert start_payment(order, token="tok_ok").captured == 50

    def test_a_cancelled_order_lets_the_money_go(self, run_reactions):
        order = OrderFactory()
        payment = authorize(order)
        cancel(order)
        run_reactions()
        payment.refresh_from_db()
        assert (payment.status, bool(payment.due_at)) == ("failed", True)
        assert call(payment).closed_at
        assert event_data(order, "order.cancelled")["refund_required"] is False

    def test_an_order_that_is_waived_lets_the_money_go(self, api, run_reactions):
        confirm_by_authorization()
        order = OrderFactory()
        payment = authorize(order)
        run_reactions()
        waived = {"amount": "50.00", "reason": "operator"}
        key = {"Idempotency-Key": "key-1"}
        made = api.post(f"/api/v1/orders/{order.id}/refunds", waived, headers=key)
        assert made.status_code == 201, made.json()
        run_reactions()
        assert call(payment).closed_at
        assert event_names(order).count("payment.voided") == 1
        shown = show(api, order)
        assert (shown["amount_due"], shown["hold"]) == ("0.00", None)
        assert shown["payment_status"] == "not_required"
        assert "payment.refunded" not in event_names(order)

    def test_an_order_whose_units_are_all_written_off_lets_the_money_go(self, run_reactions):
        confirm_by_authorization()
        order = OrderFactory()
        payment = authorize(order)
        run_reactions()
        write_off(order, 0, 2)
        run_reactions()
        assert call(payment).closed_at
        assert event_names(order).count("payment.voided") == 1

    def test_a_payment_that_is_being_captured_is_not_voided(self, api):
        payment = authorize(OrderFactory())
        capture.capture_payment(payment_id=payment.id)
        assert api.post(f"/api/v1/payments/{payment.id}/void", {}).status_code == 409


class TestConfirming:
    def test_an_order_is_confirmed_before_the_capture(self, api, run_reactions):
        confirm_by_authorization()
        order = OrderFactory()
        payment = authorize(order)
        run_reactions()
        shown = show(api, order)
        assert (shown["status"], shown["payment_status"]) == ("confirmed", "authorized")
        assert event_data(order, "order.confirmed")["payment_id"] is None
        api.post(f"/api/v1/payments/{payment.id}/capture", {})
        run_reactions()
        assert show(api, order)["payment_status"] == "paid"
        assert event_names(order).count("order.confirmed") == 1
        assert Payment.objects.get(method="on_account").status == "closed"

    def test_a_part_authorized_and_a_part_paid_confirm_it(self, api, run_reactions):
        confirm_by_authorization()
        order = OrderFactory()
        authorize(order, amount=Decimal(20))
        run_reactions()
        assert show(api, order)["status"] == "placed"
        gift = {"amount": "30.00", "provider": "gift_card", "reference": "GC-1"}
        api.post("/api/v1/payments/external", {"order_id": order.id, **gift})
        run_reactions()
        shown = show(api, order)
        assert (shown["status"], shown["payment_id"]) == ("confirmed", None)
        assert (shown["payment_status"], shown["amount_due"]) == ("authorized", "20.00")

    def test_units_written_off_before_the_capture_are_not_charged(self, api, run_reactions):
        confirm_by_authorization()
        order = OrderFactory()
        payment = authorize(order)
        run_reactions()
        write_off(order, 0, 1)
        run_reactions()
        assert show(api, order)["amount_due"] == "25.00"
        assert invoice_of(order).creditable_amount == 25
        too_much = api.post(f"/api/v1/payments/{payment.id}/capture", {"amount": "25.01"})
        assert too_much.json()["max_capturable"] == "25.00"
        paid = api.post(f"/api/v1/payments/{payment.id}/capture", {}).json()
        run_reactions()
        assert paid["captured"] == "25.00"
        assert show(api, order)["payment_status"] == "paid"
        assert invoice_of(order).creditable_amount == 25

    def test_an_order_whose_payment_is_voided_sends_nothing(self, api, run_reactions):
        confirm_by_authorization()
        order = OrderFactory()
        payment = authorize(order)
        run_reactions()
        report(payment, state="cancelled")
        run_reactions()
        shown = show(api, order)
        assert (shown["status"], shown["hold"]["reason"]) == ("confirmed", "payment")
        assert (shown["payment_status"], shown["amount_due"]) == ("unpaid", "50.00")

    def test_an_order_of_which_a_part_is_captured_sends_nothing(self, api, run_reactions):
        confirm_by_authorization()
        order = OrderFactory()
        payment = authorize(order)
        run_reactions()
        api.post(f"/api/v1/payments/{payment.id}/capture", {"amount": "1.00"})
        run_reactions()
        assert show(api, order)["hold"]["reason"] == "payment"

    def test_one_that_waits_for_its_reservation_is_confirmed_by_it(self, api, run_reactions):
        confirm_by_authorization()
        Policy.objects.create(organization_id="org_1", reservation="required")
        order = OrderFactory()
        authorize(order)
        run_reactions()
        assert show(api, order)["status"] == "paid"
        line = order.lines[0]
        places = [{"order_item_id": line.id, "warehouse_id": "wh_1", "quantity": line.quantity}]
        reservation = {"reservation_id": "res_1", "allocations": places}
        api.post(f"/api/v1/orders/{order.id}/reservation", reservation)
        run_reactions()
        assert show(api, order)["status"] == "confirmed"

    def test_a_part_that_is_authorized_does_not_keep_the_order(self, run_reactions):
        order = OrderFactory()
        payment = authorize(order, amount=Decimal(1))
        assert expire(payment) == "cancelled"
        run_reactions()
        payment.refresh_from_db()
        assert payment.status == "failed"


class TestStripe:
    def test_webhooks_in_any_order_authorize_and_capture_once(self, stripe_peer, run_reactions):
        connect()
        order = OrderFactory()
        payment = start_payment(order, "stripe", token="pm_card_visa", captures_later=True)
        assert payment.status == "authorized"
        capture.capture_payment(payment_id=payment.id, amount=Decimal(30))
        call(payment)
        for event in [*stripe_peer.events[::-1], *stripe_peer.events] * 3:
            assert deliver(stripe_peer, event).status_code == 204
        run_reactions()
        assert event_names(order).count("payment.succeeded") == 1
        assert event_names(order).count("payment.authorized") == 1
        assert call(payment).captured == 30
        assert Order.objects.get().status == "placed"

    def test_an_authorization_that_stripe_ends_is_not_awaited(self, stripe_peer):
        connect()
        payment = start_payment(OrderFactory(), "stripe", token="pm_card_visa", captures_later=True)
        stripe_peer.expire(payment.gateway_payment_id)
        deliver(stripe_peer, stripe_peer.events[-1])
        payment = call(payment)
        assert (payment.status, payment.blocks_expiry) == ("failed", False)

    def test_a_late_decline_of_an_earlier_card_does_not_end_an_authorization(self, stripe_peer):
        connect()
        payment = start_payment(
            OrderFactory(), "stripe", token="pm_card_chargeDeclined", captures_later=True
        )
        declined = stripe_peer.events[-1]
        capture.retry_payment(payment_id=payment.id, token="pm_card_visa")
        assert call(payment).status == "authorized"
        deliver(stripe_peer, declined)
        payment = call(payment)
        assert (payment.status, payment.blocks_expiry) == ("authorized", True)

    def test_after_a_refused_capture_another_amount_is_captured(self, api, stripe_peer):
        connect()
        payment = start_payment(
            OrderFactory(currency="KWD"), "stripe", token="pm_card_visa", captures_later=True
        )
        path = f"/api/v1/payments/{payment.id}/capture"
        assert api.post(path, {"amount": "5.115"}).json()["code"] == "refused_by_gateway"
        assert api.post(path, {"amount": "5.110"}).json()["captured"] == "5.110"
