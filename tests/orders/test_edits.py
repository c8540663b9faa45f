"""Edits of an order: a preview, and an order that replaces it."""

from decimal import Decimal

import pytest

from fulfillment.models import Fulfillment
from orders.models import Order, Policy
from payments.models import Payment
from payments.services import gateway
from tests.factories import (
    LineFactory,
    OrderFactory,
    buy_on_account,
    order_of,
    pay,
    refund,
    ship,
    write_off,
)
from tests.log import event_data, event_names
from tests.parallel import at_once

pytestmark = pytest.mark.django_db

HAT = {"variant_id": "var_hat", "title": "A hat", "quantity": 1, "unit_price": "12.50"}


def edit(api, order, **body):
    return api.post(f"/api/v1/orders/{order.id}/edits", body)


def commit(api, order, expected_total, **body):
    return edit(api, order, **body, commit=True, expected_total=expected_total)


def show(api, order_id):
    return api.get(f"/api/v1/orders/{order_id}").json()


def line(order, position=0):
    return order.lines[position].id


def paid(run_reactions, **fields):
    order = OrderFactory(**fields)
    pay(order)
    run_reactions()
    return Order.objects.get(pk=order.pk)


def test_a_preview_changes_nothing(api, run_reactions):
    order = paid(run_reactions)
    before, names = show(api, order.id), event_names(order)
    shown = edit(api, order, items=[{"order_item_id": line(order), "quantity": 3}]).json()
    assert (shown["committed"], shown["total_before"]) == (False, "50.00")
    assert (shown["order"]["total"], shown["amount_due"], shown["to_refund"]) == (
        "75.00",
        "25.00",
        "0.00",
    )
    assert show(api, order.id) == before
    assert event_names(order) == names
    assert Order.objects.count() == Payment.objects.count() == 1


@pytest.mark.parametrize(
    ("quantity", "total", "due", "back", "status"),
    [
        (1, "25.00", "0.00", "25.00", "confirmed"),
        (2, "50.00", "0.00", "0.00", "confirmed"),
        (3, "75.00", "25.00", "0.00", "placed"),
    ],
)
def test_a_commit_is_what_the_preview_showed(
    api, run_reactions, quantity, total, due, back, status
):
    order = paid(run_reactions)
    changes = {"items": [{"order_item_id": line(order), "quantity": quantity}]}
    preview = edit(api, order, **changes).json()
    done = commit(api, order, preview["order"]["total"], **changes)
    assert done.status_code == 200, done.json()
    run_reactions()
    edited = done.json()
    for name in ("total_before", "amount_due", "to_refund"):
        assert edited[name] == preview[name]
    assert (preview["amount_due"], preview["to_refund"]) == (due, back)
    shown = show(api, edited["order"]["id"])
    assert (shown["total"], shown["amount_due"], shown["status"]) == (total, due, status)
    assert shown["replaces"] == order.id
    payment = Payment.objects.get(order=order)
    gateway.call_gateway(payment_id=payment.id)
    returned = sum(
        each.amount for each in payment.refund_set.filter(moved_to=None, status="succeeded")
    )
    assert returned == Decimal(back)


def test_lines_are_added_removed_and_repriced(api, run_reactions):
    order = paid(run_reactions, items=[LineFactory(), LineFactory(unit_price=Decimal("5.00"))])
    shown = edit(
        api,
        order,
        items=[
            {"order_item_id": line(order), "quantity": 0},
            {
                "order_item_id": line(order, 1),
                "unit_price": "4.00",
                "title": "A red cap",
                "discount": {"amount": "1.00", "code": "SORRY"},
            },
        ],
        new_items=[HAT],
        shipping={"cost": "3.00"},
    ).json()
    lines = [(each["title"], each["quantity"], each["total"]) for each in shown["order"]["items"]]
    assert lines == [("A red cap", 2, "7.00"), ("A hat", 1, "12.50")]
    assert (shown["order"]["total"], shown["to_refund"]) == ("22.50", "37.50")


def test_terms_that_are_left_out_stay(api, run_reactions):
    order = paid(
        run_reactions,
        discount={"amount": Decimal("5.00"), "code": "SPRING"},
        shipping={"cost": Decimal("4.00"), "tax_rate": Decimal("0.1"), "carrier": "FedEx"},
    )
    shown = edit(api, order, new_items=[HAT]).json()["order"]
    assert shown["discount"] == {"amount": "5.00", "code": "SPRING", "reason": None}
    assert (shown["shipping"]["carrier"], shown["shipping"]["tax_rate"]) == ("FedEx", "0.1")
    assert shown["shipping_address"] == show(api, order.id)["shipping_address"]
    assert edit(api, order, discount=None).json()["order"]["total"] == "54.40"


def test_an_order_on_invoice_is_owed_as_edited(api, run_reactions):
    order = buy_on_account()
    run_reactions()
    done = commit(api, order, "62.50", new_items=[HAT]).json()
    run_reactions()
    shown = show(api, done["order"]["id"])
    assert (shown["status"], shown["amount_due"]) == ("confirmed", "62.50")
    assert show(api, order.id)["amount_due"] == "0.00"


def test_the_tax_is_rounded_as_before(api, run_reactions):
    item = LineFactory(quantity=1, unit_price=Decimal("0.05"), tax_rate=Decimal("0.19"))
    order = paid(run_reactions, items=[item] * 20)
    Policy.objects.create(organization_id="org_1", tax_rounding="rate")
    shown = edit(api, order, items=[{"order_item_id": line(order), "title": "A pin"}]).json()
    assert shown["order"]["total"] == shown["total_before"] == "1.20"


class TestRefusals:
    def test_another_total_than_the_previewed_one(self, api, run_reactions):
        order = paid(run_reactions)
        refused = commit(api, order, "50.00", new_items=[HAT])
        assert (refused.status_code, refused.json()["code"]) == (409, "total_differs")
        assert refused.json()["total"] == "62.50"
        assert show(api, order.id)["status"] == "confirmed"

    @pytest.mark.parametrize("what", ["written off", "refunded"])
    def test_money_was_given_back(self, api, run_reactions, what):
        order = paid(run_reactions)
        if what == "refunded":
            refund(Payment.objects.get(), "10.00")
        else:
            write_off(order, 0, 1)
        run_reactions()
        refused = edit(api, order, new_items=[HAT])
        assert (refused.status_code, refused.json()["code"]) == (409, "cannot_edit")

    def test_units_are_shipped(self, api):
        order = order_of(2)
        ship(order)
        refused = edit(api, order, new_items=[HAT])
        assert (refused.status_code, refused.json()["code"]) == (409, "has_left")

    def test_units_are_picked(self, api, run_reactions):
        order = paid(run_reactions)
        fulfillment = Fulfillment.objects.get(order=order)
        started = api.post(
            f"/api/v1/fulfillments/{fulfillment.id}/start",
            {"warehouse_id": fulfillment.warehouse_id},
        )
        assert started.status_code == 200, started.json()
        assert edit(api, order, new_items=[HAT]).status_code == 200
        pick = {"order_item_id": line(order), "quantity": 1, "scan_id": "s"}
        picked = api.post(f"/api/v1/fulfillments/{fulfillment.id}/picks", pick)
        assert picked.status_code == 201, picked.json()
        refused = edit(api, order, new_items=[HAT])
        assert (refused.status_code, refused.json()["code"]) == (409, "picking_has_begun")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "items"),
            ({"new_items": [HAT], "commit": True}, "expected_total"),
            ({"items": [{"order_item_id": "item_x", "quantity": -1}]}, "items[0].quantity"),
        ],
    )
    def test_incomplete_bodies(self, api, body, field):
        refused = edit(api, OrderFactory(), **body)
        assert refused.status_code == 400
        assert field in refused.json()["errors"]

    def test_an_unknown_line_and_an_empty_order(self, api):
        order = OrderFactory()
        unknown = edit(api, order, items=[{"order_item_id": "item_x", "quantity": 1}])
        assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_item")
        nothing = edit(api, order, items=[{"order_item_id": line(order), "quantity": 0}])
        assert (nothing.status_code, nothing.json()["code"]) == (422, "no_items")

    def test_a_repeated_commit(self, api, run_reactions):
        order = paid(run_reactions)
        assert commit(api, order, "62.50", new_items=[HAT]).status_code == 200
        refused = commit(api, order, "62.50", new_items=[HAT])
        assert (refused.status_code, refused.json()["code"]) == (409, "order_cancelled")


@pytest.mark.django_db(transaction=True)
def test_of_two_commits_at_once_one_is_refused(api, run_reactions):
    order = paid(run_reactions)
    totals = ["62.50", "75.00"]
    new = [[HAT], [HAT, HAT]]
    answers = at_once(2, lambda n: commit(api, order, totals[n], new_items=new[n]).status_code)
    assert sorted(answers) == [200, 409]
    run_reactions()
    edited = Order.objects.get(replaces=order)
    assert str(edited.total.quantize(Decimal("0.01"))) in totals
    assert event_data(order, "order.cancelled")["cancellation_reason"] == "replaced"
