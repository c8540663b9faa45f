"""An order that replaces another takes over its money; the old one is cancelled."""

import json
from decimal import Decimal

import pytest

from events.models import EventRecord
from invoices.models import Invoice
from orders.models import Order
from orders.services import lifecycle
from payments.models import Payment
from payments.services import capture, gateway
from tests.factories import (
    ADDRESS,
    LineFactory,
    OrderFactory,
    buy_on_account,
    deliver_documents,
    order_of,
    pay,
    refund,
    ship,
    start_payment,
)
from tests.log import event_data, event_names
from tests.parallel import at_once
from tests.payments.flows import connect
from tests.payments.flows import deliver as deliver_webhook

pytestmark = pytest.mark.django_db

PUBLISHED = ("payment.pending", "payment.succeeded", "payment.refunded", "payment.failed")


def item(quantity, price="25.00"):
    return {"variant_id": "var_x", "title": "A hat", "quantity": quantity, "unit_price": price}


def open_instead(api, old, *items, **fields):
    body = {
        "customer_id": old.customer_id,
        "customer_email": old.customer_email,
        "currency": old.currency,
        "items": [*items],
        "shipping_address": ADDRESS,
        "replaces": old.id,
    } | fields
    return api.post("/api/v1/orders", body)


def replace(api, old, *items, **fields):
    """Replace an order, and return the response to the placement of the new one."""
    opened = open_instead(api, old, *items, **fields)
    assert opened.status_code == 201, opened.json()
    return api.post(f"/api/v1/orders/{opened.json()['id']}/place")


def show(api, order):
    return api.get(f"/api/v1/orders/{order if isinstance(order, str) else order.id}").json()


def published(order):
    """Return the names of the events about payments that consumers receive."""
    return [name for name in event_names(order) if name in PUBLISHED]


def of(order_id):
    return Order.objects.get(pk=order_id)


def paid(run_reactions, **fields):
    order = OrderFactory(**fields)
    payment = pay(order)
    run_reactions()
    return Order.objects.get(pk=order.pk), payment


class TestMoney:
    def test_of_the_same_total_moves_and_confirms_it(self, api, run_reactions):
        old, payment = paid(run_reactions)
        new = replace(api, old, item(2)).json()
        run_reactions()
        new, before = show(api, new["id"]), show(api, old)
        assert (new["status"], new["payment_status"], new["amount_due"]) == (
            "confirmed",
            "paid",
            "0.00",
        )
        assert (new["replaces"], new["payment_id"]) == (old.id, payment.id)
        assert (before["status"], before["replaced_by"]) == ("cancelled", new["id"])
        assert before["cancellation"]["reason"] == "replaced"
        cancelled = event_data(old, "order.cancelled")
        assert (cancelled["cancellation_reason"], cancelled["refund_required"]) == (
            "replaced",
            False,
        )
        assert event_data(of(new["id"]), "order.confirmed")["payment_id"] == payment.id
        assert published(old) == ["payment.pending", "payment.succeeded"]
        assert published(of(new["id"])) == []
        (moved,) = Payment.objects.get(pk=payment.pk).refunds
        assert (moved.moved_to_id, moved.amount) == (new["id"], 50)

    def test_what_it_is_short_of_is_asked_for(self, api, run_reactions):
        old, _ = paid(run_reactions)
        new = replace(api, old, item(3)).json()
        run_reactions()
        assert (new["status"], new["payment_status"]) == ("placed", "partially_paid")
        assert new["amount_due"] == "25.00"
        rest = pay(of(new["id"]))
        run_reactions()
        shown = show(api, new["id"])
        assert (shown["status"], shown["payment_id"], rest.amount) == ("confirmed", rest.id, 25)

    def test_what_is_too_much_goes_back(self, api, run_reactions):
        old, payment = paid(run_reactions)
        new = replace(api, old, item(1)).json()
        run_reactions()
        gateway.call_gateway(payment_id=payment.id)
        assert event_data(old, "order.cancelled")["refund_required"] is True
        back = event_data(old, "payment.refunded")
        assert (back["payment_id"], back["refund_amount"]) == (payment.id, "25.00")
        assert back["refund_reason"] == "order_cancelled"
        assert show(api, new["id"])["payment_status"] == "paid"

    def test_of_several_payments_moves_as_far_as_it_is_due(self, api, run_reactions):
        old = OrderFactory()
        card = {"order_id": old.id, "amount": "30.00", "provider": "gift_card", "reference": "G"}
        assert api.post("/api/v1/payments/external", card).status_code == 201
        second = pay(old)
        run_reactions()
        new = replace(api, of(old.id), item(1, "35.00")).json()
        run_reactions()
        gateway.call_gateway(payment_id=second.id)
        moved = Payment.objects.filter(order=new["id"]).order_by("id")
        assert [(each.method, each.captured) for each in moved] == [
            ("external", 30),
            ("sandbox", 5),
        ]
        assert Payment.objects.get(pk=second.pk).refunded == 20
        assert show(api, new["id"])["status"] == "confirmed"

    def test_nothing_moves_of_an_unpaid_one(self, api, run_reactions):
        old = OrderFactory()
        waiting = start_payment(old)
        new = replace(api, old, item(1)).json()
        run_reactions()
        assert (new["status"], new["amount_due"]) == ("placed", "25.00")
        assert Payment.objects.get(pk=waiting.pk).abandoned_at
        assert event_data(old, "order.cancelled")["refund_required"] is False

    def test_a_refund_of_it_names_the_payment_that_was_published(self, api, run_reactions):
        old, payment = paid(run_reactions)
        new = replace(api, old, item(2)).json()
        run_reactions()
        refund(Payment.objects.get(order=new["id"]), "10.00")
        back = event_data(of(new["id"]), "payment.refunded")
        assert (back["payment_id"], back["refund_amount"]) == (payment.id, "10.00")

    def test_it_moves_again(self, api, run_reactions):
        old, payment = paid(run_reactions)
        second = replace(api, old, item(2)).json()
        run_reactions()
        third = replace(api, of(second["id"]), item(1)).json()
        run_reactions()
        for each in Payment.objects.filter(order=second["id"]):
            gateway.call_gateway(payment_id=each.id)
        assert show(api, third["id"])["payment_id"] == payment.id
        back = event_data(of(second["id"]), "payment.refunded")
        assert (back["payment_id"], back["refund_amount"]) == (payment.id, "25.00")
        rows = Payment.objects.all()
        assert sum(row.captured - row.refunded for row in rows) == 25

    def test_of_an_order_on_invoice_what_is_paid_moves(self, api, run_reactions):
        old = buy_on_account()
        run_reactions()
        part = start_payment(of(old.id), method="manual")
        capture.capture_payment(payment_id=part.id, amount=Decimal(20))
        run_reactions()
        new = replace(api, of(old.id), item(1), payment_method="invoice").json()
        run_reactions()
        shown = show(api, new["id"])
        assert (shown["status"], shown["amount_due"]) == ("confirmed", "5.00")
        assert show(api, old)["amount_due"] == "0.00"
        assert Payment.objects.get(order=new["id"], method="on_account").outstanding == 5

    def test_that_the_bank_takes_back_concerns_the_new_order(self, api, stripe_peer, run_reactions):
        connect()
        old = OrderFactory()
        payment = start_payment(old, "stripe", token="pm_card_visa")
        run_reactions()
        new = replace(api, of(old.id), item(2)).json()
        run_reactions()
        stripe_peer.open_dispute(payment.gateway_payment_id, 5000)
        deliver_webhook(stripe_peer, stripe_peer.events[-1])
        run_reactions()
        assert show(api, new["id"])["is_disputed"]

    def test_that_is_short_goes_back_when_the_rest_does_not_come(self, api, run_reactions):
        old, _ = paid(run_reactions)
        new = replace(api, old, item(3)).json()
        run_reactions()
        assert of(new["id"]).reservation_expires_at > of(new["id"]).placed_at
        lifecycle.cancel_order(order_id=new["id"], reason="customer_request")
        run_reactions()
        moved = Payment.objects.get(order=new["id"], moved_from__isnull=False)
        gateway.call_gateway(payment_id=moved.id)
        assert Payment.objects.get(pk=moved.pk).status == "refunded"


class TestInvoices:
    def test_the_old_one_is_credited_and_the_new_order_billed(self, api, run_reactions):
        old, _ = paid(run_reactions, items=[LineFactory(tax_rate=Decimal("0.19"))])
        new = replace(api, old, item(2, "30.00")).json()
        run_reactions()
        deliver_documents()
        first = Invoice.objects.get(order=old)
        assert (first.total, first.creditable_amount) == (Decimal("59.50"), 0)
        (note,) = first.credit_notes
        assert [(rate["tax_rate"], rate["total"]) for rate in note.rates] == [("0.19", "59.50")]
        assert new["amount_due"] == "0.50"
        pay(of(new["id"]))
        run_reactions()
        assert Invoice.objects.get(order=new["id"]).total == 60


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ({"customer_id": "cust_other"}, "another customer"),
            ({"customer_id": None, "customer_email": "other@example.com"}, "another customer"),
            ({"currency": "EUR"}, "is in USD, not in EUR"),
        ],
    )
    def test_another_customer_or_currency(self, api, fields, why, run_reactions):
        old, _ = paid(run_reactions)
        refused = open_instead(api, old, item(1), **fields)
        assert (refused.status_code, refused.json()["code"]) == (409, "cannot_replace")
        assert why in refused.json()["detail"]
        assert show(api, old)["status"] == "confirmed"

    def test_a_shipped_one(self, api, run_reactions):
        old = order_of(2)
        ship(old)
        refused = replace(api, of(old.id), item(1))
        assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
        assert Order.objects.get(replaces=old.id).status == "pending"
        assert show(api, old)["status"] == "shipped"

    def test_one_that_is_replaced_already(self, api, run_reactions):
        old, _ = paid(run_reactions)
        replace(api, old, item(1))
        refused = open_instead(api, old, item(1))
        assert (refused.status_code, refused.json()["code"]) == (409, "cannot_replace")

    def test_the_money_of_a_cancelled_one_goes_back(self, api, run_reactions):
        old, payment = paid(run_reactions)
        lifecycle.cancel_order(order_id=old.id, reason="fraud")
        run_reactions()
        new = replace(api, old, item(1)).json()
        assert (new["replaces"], new["amount_due"]) == (old.id, "25.00")
        assert Payment.objects.get(pk=payment.pk).refunding == 50
        assert show(api, old)["cancellation"]["reason"] == "fraud"

    def test_no_client_gives_the_reason(self, api):
        refused = api.post(f"/api/v1/orders/{OrderFactory().id}/cancel", {"reason": "replaced"})
        assert refused.status_code == 400


@pytest.mark.django_db(transaction=True)
def test_two_at_once_replace_it_once(api, run_reactions):
    old, _ = paid(run_reactions)
    urls = [f"/api/v1/orders/{open_instead(api, old, item(n)).json()['id']}/place" for n in (1, 2)]
    answers = at_once(2, lambda n: api.post(urls[n]).status_code)
    assert sorted(answers) == [200, 409]
    run_reactions()
    rows = Payment.objects.filter(applies_to_order=True)
    kept = sum(row.captured - row.refunded - row.refunding for row in rows)
    assert kept == Order.objects.get(replaces=old, placed_at__isnull=False).total


def test_inventory_hears_of_the_release_before_the_reservation(api, run_reactions):
    old, _ = paid(run_reactions)
    new = replace(api, old, item(2)).json()
    names = EventRecord.objects.filter(stream__in=[old.id, new["id"]]).order_by("id")
    told = [
        (each.stream == old.id, each.name)
        for each in names
        if each.name in ("order.cancelled", "order.placed", "order.confirmed")
    ]
    assert told[-3:] == [
        (True, "order.cancelled"),
        (False, "order.placed"),
        (False, "order.confirmed"),
    ]
    released = json.loads(EventRecord.objects.get(stream=old.id, name="order.cancelled").body)[
        "data"
    ]["stock_to_release"]
    assert sum(row["quantity"] for row in released) == 2
