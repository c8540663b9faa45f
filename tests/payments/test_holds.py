"""What holds an order for its payments, and what ends that."""

from decimal import Decimal

import pytest

from events.models import Reaction
from orders.models import Policy
from payments.models import PaymentAccount
from payments.services import capture
from tests.factories import OrderFactory, pay, refund, ship, start, start_payment
from tests.log import event_names
from tests.payments.flows import captured, connect, deliver, report

pytestmark = pytest.mark.django_db

UNSECURED = {
    "reason": "payment",
    "note": "What was authorized is not captured, and not reserved any more.",
}


def show(api, order):
    return api.get(f"/api/v1/orders/{order.id}").json()


def hold_of(api, order):
    hold = show(api, order)["hold"]
    return hold and {name: hold[name] for name in ("reason", "note")}


def act(api, order, verb, **body):
    response = api.post(f"/api/v1/orders/{order.id}/{verb}", body)
    assert response.status_code == 200, response.json()
    return response.json()


@pytest.fixture
def authorized(run_reactions):
    """Return an order that is confirmed by an authorized payment, and the payment."""
    PaymentAccount.objects.create(organization_id="org_1", confirm_on_authorization=True)
    order = OrderFactory()
    payment = start_payment(order, token="tok_ok", captures_later=True)
    run_reactions()
    return order, payment


def lose(payment, run_reactions):
    report(payment, state="cancelled")
    run_reactions()


def reserve(api, order):
    (line,) = order.lines
    places = [{"order_item_id": line.id, "warehouse_id": "wh_1", "quantity": line.quantity}]
    return act(api, order, "reservation", reservation_id="res_1", allocations=places)


class TestALostPayment:
    def test_another_hold_does_not_let_the_order_ship(self, api, authorized, run_reactions):
        order, payment = authorized
        act(api, order, "hold", reason="address")
        lose(payment, run_reactions)
        act(api, order, "release")
        assert hold_of(api, order) == UNSECURED

    def test_an_operator_releases_it_knowingly(self, api, authorized, run_reactions):
        order, payment = authorized
        lose(payment, run_reactions)
        assert hold_of(api, order) == UNSECURED
        act(api, order, "release")
        assert hold_of(api, order) is None

    def test_another_payment_ends_the_hold(self, api, authorized, run_reactions):
        order, payment = authorized
        lose(payment, run_reactions)
        start_payment(order, token="tok_ok", amount=Decimal(20))
        run_reactions()
        assert hold_of(api, order) == UNSECURED
        start_payment(order, token="tok_ok", captures_later=True)
        run_reactions()
        assert hold_of(api, order) is None
        assert show(api, order)["payment_status"] == "authorized"
        assert event_names(order).count("order.held") == event_names(order).count("order.released")

    def test_an_operators_hold_stays(self, api, authorized, run_reactions):
        order, payment = authorized
        lose(payment, run_reactions)
        act(api, order, "release")
        act(api, order, "hold", reason="payment", note="I call the bank.")
        pay(order)
        run_reactions()
        assert hold_of(api, order) == {"reason": "payment", "note": "I call the bank."}

    def test_of_a_shipped_order_nothing_is_left_to_hold(self, api, authorized, run_reactions):
        order, payment = authorized
        start(order)
        ship(order)
        lose(payment, run_reactions)
        shown = show(api, order)
        assert (shown["status"], shown["hold"], shown["amount_due"]) == ("shipped", None, "50.00")
        assert not Reaction.objects.exists()

    @pytest.mark.parametrize("is_reserved_first", [False, True])
    def test_an_order_that_waits_for_its_reservation_is_confirmed_by_another_payment(
        self, api, run_reactions, is_reserved_first
    ):
        PaymentAccount.objects.create(organization_id="org_1", confirm_on_authorization=True)
        Policy.objects.create(organization_id="org_1", reservation="required")
        order = OrderFactory()
        payment = start_payment(order, token="tok_ok", captures_later=True)
        run_reactions()
        lose(payment, run_reactions)
        assert (show(api, order)["status"], hold_of(api, order)) == ("paid", UNSECURED)
        if is_reserved_first:
            assert reserve(api, order)["status"] == "paid"
        pay(order)
        run_reactions()
        if not is_reserved_first:
            assert show(api, order)["status"] == "paid"
            reserve(api, order)
        run_reactions()
        assert (show(api, order)["status"], hold_of(api, order)) == ("confirmed", None)
        assert event_names(order).count("order.confirmed") == 1


class TestAMismatch:
    def test_when_it_is_refunded_the_order_is_held_because_nothing_pays_it(
        self, api, authorized, run_reactions
    ):
        order, payment = authorized
        capture.capture_payment(payment_id=payment.id)
        report(payment, **captured(payment, Decimal("49.00")))
        run_reactions()
        assert "captured 49.00 USD instead of 50.00 USD" in hold_of(api, order)["note"]
        refused = api.post(f"/api/v1/orders/{order.id}/release", {})
        assert (refused.status_code, refused.json()["code"]) == (409, "mismatch_unresolved")
        payment.refresh_from_db()
        refund(payment, "49.00")
        run_reactions()
        assert hold_of(api, order) == UNSECURED
        pay(order)
        run_reactions()
        assert hold_of(api, order) is None


class TestADispute:
    def test_when_it_is_won_a_lost_payment_still_holds_the_order(
        self, api, stripe_peer, run_reactions
    ):
        connect()
        PaymentAccount.objects.update(confirm_on_authorization=True)
        order = OrderFactory()
        paid = start_payment(order, "stripe", token="pm_card_visa", amount=Decimal(20))
        reserved = start_payment(order, token="tok_ok", captures_later=True)
        run_reactions()
        dispute_id = stripe_peer.open_dispute(paid.gateway_payment_id, 2000)
        deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        lose(reserved, run_reactions)
        assert hold_of(api, order)["reason"] == "dispute"
        stripe_peer.decide(dispute_id, "won")
        deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        assert hold_of(api, order) == UNSECURED

    def test_a_mismatch_that_is_resolved_leaves_it(self, api, stripe_peer, run_reactions):
        connect()
        PaymentAccount.objects.update(confirm_on_authorization=True)
        order = OrderFactory()
        paid = start_payment(order, "stripe", token="pm_card_visa", amount=Decimal(20))
        reserved = start_payment(order, token="tok_ok", captures_later=True)
        run_reactions()
        capture.capture_payment(payment_id=reserved.id)
        report(reserved, **captured(reserved, Decimal("29.00")))
        stripe_peer.open_dispute(paid.gateway_payment_id, 2000)
        deliver(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        assert hold_of(api, order)["reason"] == "payment"
        reserved.refresh_from_db()
        refund(reserved, "29.00")
        start_payment(order, token="tok_ok")
        run_reactions()
        assert hold_of(api, order)["reason"] == "dispute"
