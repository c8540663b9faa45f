"""What happens at the gateway by itself: refunds in its dashboard, and disputes."""

import random
from decimal import Decimal

import pytest

from orders.models import Order
from payments.models import GatewayWebhook, Payment
from payments.services import capture, gateway, refunds
from tests.factories import LineFactory, OrderFactory, invoice_of, refund, start_payment, write_off
from tests.log import event_data, event_names
from tests.payments.flows import call, connect, deliver, start

pytestmark = pytest.mark.django_db


def paid(run_reactions, **order):
    payment = start(token="pm_card_visa", **order)
    run_reactions()
    return payment


def deliver_all(peer, payment, run_reactions, *, times=10):
    """Deliver all webhooks of the peer in reverse order, then at random, several times."""
    events = peer.events[::-1] * 2
    for _ in range(times - 2):
        events += random.Random(len(events)).sample(peer.events, len(peer.events))
    for event in events:
        assert deliver(peer, event).status_code == 204
    run_reactions()
    payment.refresh_from_db()


def show(api, payment):
    return api.get(f"/api/v1/orders/{payment.order_id}").json()


class TestRefunds:
    def test_a_refund_in_the_dashboard_is_recorded_once(self, api, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        refund_id = stripe_peer.refund_by_hand(payment.gateway_payment_id, 1000)
        deliver_all(stripe_peer, payment, run_reactions)
        (recorded,) = payment.refunds
        assert (recorded.status, recorded.amount) == ("succeeded", 10)
        assert (recorded.gateway_refund_id, recorded.reason) == (refund_id, "other")
        assert event_data(payment.order, "payment.refunded")["refund_amount"] == "10.00"
        assert event_names(payment.order).count("payment.refunded") == 1
        assert invoice_of(payment.order).creditable_amount == 40
        assert show(api, payment)["payment_status"] == "partially_refunded"
        assert not [r for r in stripe_peer.requests if r.path == "/v1/refunds"]

    def test_a_refund_of_everything_is_for_everything(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        stripe_peer.refund_by_hand(payment.gateway_payment_id, 5000)
        deliver_all(stripe_peer, payment, run_reactions, times=2)
        assert payment.status == "refunded"
        assert [part.kind for part in payment.refunds[0].parts] == ["item"]
        assert invoice_of(payment.order).creditable_amount == 0

    def test_a_pending_one_is_recorded_when_it_is_paid_out(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        stripe_peer.refund_status = "pending"
        refund_id = stripe_peer.refund_by_hand(payment.gateway_payment_id, 1000)
        deliver(stripe_peer, stripe_peer.events[-1])
        assert not Payment.objects.get().refunds
        stripe_peer.finish(refund_id, "succeeded")
        deliver(stripe_peer, stripe_peer.events[-1])
        assert Payment.objects.get().refunded == 10

    def test_one_that_comes_back_is_to_be_paid_out_by_hand(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        refund_id = stripe_peer.refund_by_hand(payment.gateway_payment_id, 1000)
        deliver(stripe_peer, stripe_peer.events[-1])
        stripe_peer.finish(refund_id, "failed", "lost_or_stolen_card")
        deliver(stripe_peer, stripe_peer.events[-1])
        payment.refresh_from_db()
        assert (payment.refunded, payment.refunding) == (0, 10)
        assert payment.pending_refunds(by_hand=True)

    def test_ours_and_those_of_the_dashboard_are_told_apart(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        refund(payment, "20.00")
        stripe_peer.refund_by_hand(payment.gateway_payment_id, 1000)
        deliver_all(stripe_peer, payment, run_reactions, times=4)
        assert payment.refunded == 30
        assert len(payment.refunds) == 2

    def test_before_the_confirmation_it_is_due_again(self, api, stripe_peer, run_reactions):
        connect()
        order = OrderFactory()
        first = start_payment(order, "stripe", token="pm_card_visa", amount=Decimal(30))
        stripe_peer.refund_by_hand(first.gateway_payment_id, 3000)
        deliver(stripe_peer, stripe_peer.events[-1])
        start_payment(order, "stripe", token="pm_card_visa", amount=Decimal(20))
        run_reactions()
        shown = show(api, first)
        assert (shown["status"], shown["amount_due"]) == ("placed", "30.00")

    def test_one_of_another_account_changes_nothing(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        stripe_peer.refund_by_hand(payment.gateway_payment_id, 1000)
        deliver(stripe_peer, stripe_peer.events[-1] | {"account": "acct_2"})
        assert not Payment.objects.get().refunds


class TestASurplus:
    """Money beyond what was due: its payment has the gateway's id of the one with which it came."""

    @pytest.fixture
    def surplus(self, api, stripe_peer, run_reactions):
        connect()
        order = OrderFactory()
        late = start_payment(order, "stripe")
        capture.abandon_payment(payment_id=late.id)
        given = {"amount": "30.00", "provider": "gift_card", "reference": "GC-1"}
        api.post("/api/v1/payments/external", {"order_id": order.id, **given})
        stripe_peer.pay(late.gateway_payment_id, "pm_card_visa")
        assert call(late).captured == 20
        run_reactions()
        return Payment.objects.get(surplus_of=late)

    @pytest.mark.parametrize("first", ["call", "webhook"])
    def test_its_refund_is_recorded_once(self, stripe_peer, run_reactions, surplus, first):
        if first == "webhook":
            stripe_peer.refund_status = "pending"
            call(surplus)
            assert Payment.objects.get(pk=surplus.id).refunding == 30
            stripe_peer.finish(next(iter(stripe_peer.refunds)), "succeeded")
        else:
            call(surplus)
        deliver_all(stripe_peer, surplus, run_reactions)
        assert (surplus.status, surplus.refunded, len(surplus.refunds)) == ("refunded", 30, 1)
        assert [refund["amount"] for refund in stripe_peer.refunds.values()] == [3000]
        paid = Payment.objects.get(pk=surplus.surplus_of_id)
        assert (paid.captured, paid.refunded, paid.refunds) == (20, 0, [])
        happened = event_names(surplus.order)
        assert happened.count("refund.succeeded") == 1
        assert "payment.refunded" not in happened
        assert not GatewayWebhook.objects.filter(applied_at=None).exists()

    def test_in_the_dashboard_it_is_refunded_first(self, api, stripe_peer, run_reactions, surplus):
        stripe_peer.refund_status = "failed"
        call(surplus)
        stripe_peer.refund_status = "succeeded"
        for amount, refunded in ((1000, (10, 0)), (2000, (30, 0)), (500, (30, 5))):
            stripe_peer.refund_by_hand(surplus.gateway_payment_id, amount)
            deliver_all(stripe_peer, surplus, run_reactions, times=4)
            paid = Payment.objects.get(pk=surplus.surplus_of_id)
            assert (surplus.refunded, paid.refunded) == refunded
        assert invoice_of(surplus.order).creditable_amount == 45
        assert event_names(surplus.order).count("payment.refunded") == 1

    def test_before_the_confirmation_it_takes_no_unit(self, api, stripe_peer, run_reactions):
        connect()
        order = OrderFactory()
        first = start_payment(order, "stripe", token="pm_card_visa", amount=Decimal(30))
        stripe_peer.refund_by_hand(first.gateway_payment_id, 3000)
        deliver(stripe_peer, stripe_peer.events[-1])
        assert show(api, first)["payment_status"] == "unpaid"
        start_payment(order, "stripe", token="pm_card_visa", amount=Decimal(20))
        shown = show(api, first)
        assert (shown["payment_status"], shown["amount_due"]) == ("partially_paid", "30.00")
        start_payment(order, "stripe", token="pm_card_visa")
        run_reactions()
        write_off(Order.objects.get(pk=order.pk), 0, 1)
        run_reactions()
        rows = Payment.objects.filter(order=order.id)
        for row in rows:
            gateway.call_gateway(payment_id=row.id)
        run_reactions()
        assert sum(row.captured - row.refunded for row in rows.all()) == 25
        assert invoice_of(order).creditable_amount == 25

    def test_one_that_comes_back_is_credited_once(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        refund_id = stripe_peer.refund_by_hand(payment.gateway_payment_id, 1000)
        deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        stripe_peer.finish(refund_id, "failed", "lost_or_stolen_card")
        deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        refund(Payment.objects.get(), "5.00")
        gateway.call_gateway(payment_id=payment.id)
        (bounced,) = Payment.objects.get().pending_refunds(by_hand=True)
        refunds.record_refund(payment_id=payment.id, refund_id=bounced.id)
        run_reactions()
        payment.refresh_from_db()
        left = invoice_of(payment.order).creditable_amount
        assert (payment.captured - payment.refunded, left) == (35, 35)


@pytest.fixture
def split(api, stripe_peer, run_reactions):
    """Return a charge of 50: 25 moved to another order, and the refund of the rest failed."""
    payment = paid(run_reactions)
    stripe_peer.refund_status = "failed"
    line = {"order_item_id": payment.order.lines[0].id, "quantity": 1}
    body = {"items": [line], "commit": True, "expected_total": "25.00"}
    assert api.post(f"/api/v1/orders/{payment.order_id}/edits", body).status_code == 200
    run_reactions()
    gateway.call_gateway(payment_id=payment.id)
    stripe_peer.refund_status = "succeeded"
    assert sum(row.refundable for row in Payment.objects.all()) == 50
    return payment


class TestSteps:
    """Stripe moves KWD in steps of 0.010."""

    LINES = (
        LineFactory(quantity=3, unit_price=Decimal("3.337")),
        LineFactory(quantity=1, unit_price=Decimal("0.009")),
    )

    def test_the_refund_of_a_unit_is_rounded_down(self, stripe_peer, run_reactions):
        payment = paid(run_reactions, currency="KWD", items=[*self.LINES])
        write_off(payment.order, 0, 1)
        run_reactions()
        gateway.call_gateway(payment_id=payment.id)
        payment.refresh_from_db()
        assert payment.refunded == Decimal("3.330")
        assert event_data(payment.order, "refund.fell_short")["amount"] == "0.007"

    @pytest.mark.parametrize("resource", ["orders", "payments"])
    def test_another_amount_is_refused(self, api, stripe_peer, run_reactions, resource):
        payment = paid(run_reactions, currency="KWD", items=[*self.LINES])
        row = payment.order_id if resource == "orders" else payment.id
        line = {"order_item_id": payment.order.lines[0].id, "quantity": 1}
        refused = api.post(
            f"/api/v1/{resource}/{row}/refunds",
            {"reason": "operator", "items": [line]},
            headers={"Idempotency-Key": "once"},
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "refused_by_gateway")
        assert "in steps of 0.010" in refused.json()["detail"]
        assert not Payment.objects.get().refunds


class TestMovedMoney:
    def test_a_lost_dispute_takes_all_of_it(self, stripe_peer, split, run_reactions):
        dispute_id = stripe_peer.open_dispute(split.gateway_payment_id, 5000)
        stripe_peer.decide(dispute_id, "lost")
        deliver_all(stripe_peer, split, run_reactions, times=2)
        assert sum(row.refundable for row in Payment.objects.all()) == 0

    def test_a_refund_in_the_dashboard_takes_all_of_it(self, stripe_peer, split, run_reactions):
        stripe_peer.refund_by_hand(split.gateway_payment_id, 5000)
        for _ in range(2):
            deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        assert sum(row.refundable for row in Payment.objects.all()) == 0


class TestDisputes:
    def test_what_has_not_left_is_held_until_it_is_won(self, api, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        dispute_id = stripe_peer.open_dispute(payment.gateway_payment_id, 5000)
        deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        shown = show(api, payment)
        assert (shown["is_disputed"], shown["hold"]["reason"]) == (True, "dispute")
        assert "50.00 USD: fraudulent" in shown["hold"]["note"]
        stripe_peer.decide(dispute_id, "won")
        deliver_all(stripe_peer, payment, run_reactions)
        shown = show(api, payment)
        assert (shown["is_disputed"], shown["hold"]) == (False, None)
        assert shown["payment_status"] == "paid"
        assert event_names(payment.order).count("payment.disputed") == 1

    def test_a_lost_one_is_a_refund(self, api, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        dispute_id = stripe_peer.open_dispute(payment.gateway_payment_id, 3000)
        stripe_peer.decide(dispute_id, "lost")
        deliver_all(stripe_peer, payment, run_reactions)
        assert (payment.refunded, payment.disputed_at) == (30, None)
        assert event_names(payment.order).count("payment.refunded") == 1
        assert invoice_of(payment.order).creditable_amount == 20
        shown = show(api, payment)
        assert (shown["payment_status"], shown["hold"]["reason"]) == (
            "partially_refunded",
            "dispute",
        )
        (row,) = api.get(f"/api/v1/payments/{payment.id}").json()["disputes"]
        assert (row["status"], row["amount"]) == ("lost", "30.00")

    def test_what_was_refunded_before_is_not_lost_again(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        refund(payment, "40.00")
        dispute_id = stripe_peer.open_dispute(payment.gateway_payment_id, 5000)
        stripe_peer.decide(dispute_id, "lost")
        deliver_all(stripe_peer, payment, run_reactions, times=2)
        assert (payment.refunded, payment.status) == (50, "refunded")

    def test_what_a_failed_refund_leaves_is_lost_too(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        stripe_peer.refund_status = "pending"
        ours = refund(payment, "40.00")
        dispute_id = stripe_peer.open_dispute(payment.gateway_payment_id, 5000)
        stripe_peer.decide(dispute_id, "lost")
        deliver_all(stripe_peer, payment, run_reactions, times=2)
        assert (payment.refunded, payment.refunding) == (10, 40)
        ours.refresh_from_db()
        stripe_peer.finish(ours.gateway_refund_id, "failed", "lost_or_stolen_card")
        deliver_all(stripe_peer, payment, run_reactions, times=2)
        assert (payment.refunded, payment.refunding, payment.status) == (50, 0, "refunded")
        assert invoice_of(payment.order).creditable_amount == 0

    def test_a_delivered_order_only_shows_it(self, api, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        Order.objects.raw(
            "UPDATE orders_orderitem SET cancelled = quantity - 1, shipped = 1 "
            "WHERE order_id = %s RETURNING id",
            [payment.order_id],
        )[0]
        stripe_peer.open_dispute(payment.gateway_payment_id, 5000)
        deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        shown = show(api, payment)
        assert (shown["is_disputed"], shown["hold"]) == (True, None)

    def test_an_inquiry_takes_nothing_back(self, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        stripe_peer.open_dispute(payment.gateway_payment_id, 5000, status="warning_needs_response")
        deliver(stripe_peer, stripe_peer.events[-1])
        payment.refresh_from_db()
        assert payment.disputed_at is None

    def test_another_hold_does_not_let_it_ship(self, api, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        path = f"/api/v1/orders/{payment.order_id}"
        api.post(f"{path}/hold", {"reason": "address"})
        stripe_peer.open_dispute(payment.gateway_payment_id, 5000)
        deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        assert api.post(f"{path}/release", {}).json()["hold"]["reason"] == "dispute"
        assert api.post(f"{path}/release", {}).json()["hold"] is None

    def test_it_is_listed_for_operators(self, operator, stripe_peer, run_reactions):
        payment = paid(run_reactions)
        stripe_peer.open_dispute(payment.gateway_payment_id, 5000)
        deliver(stripe_peer, stripe_peer.events[-1])
        page = operator().get("/admin/payments/payment/?queue=disputed").content.decode()
        assert payment.id in page


class TestLimits:
    def test_an_amount_that_stripe_does_not_take_is_no_decline(self, api, stripe_peer):
        connect()
        order = OrderFactory()
        for n in range(4):
            body = {
                "order_id": order.id,
                "payment_method": "stripe",
                "gateway_token": "pm_card_visa",
                "amount": "0.49",
            }
            key = {"Idempotency-Key": f"key-{n}"}
            for _ in range(2):
                refused = api.post("/api/v1/payments", body, headers=key)
                assert (refused.status_code, refused.json()["code"]) == (
                    422,
                    "refused_by_gateway",
                )
            assert refused.json()["gateway_code"] == "amount_too_small"
            assert "at least" in refused.json()["detail"]
        names = event_names(order)
        assert "payment.failed" not in names
        assert names.count("payment.refused") == 4
        assert Order.objects.get().status == "placed"
        assert start_payment(order, "stripe", token="pm_card_visa").status == "succeeded"
