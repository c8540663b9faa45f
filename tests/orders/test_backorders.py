"""Units that are paid before Inventory has reserved them."""

from collections import Counter

import pytest

from config.core.exceptions import DomainError
from events.aggregate import InvalidTransition
from fulfillment import services as fulfillment
from orders import selectors
from orders.exceptions import (
    FulfillmentHasStarted,
    OtherReservation,
    PartialReservation,
    TooManyUnits,
)
from orders.models import Order, Policy
from orders.services import goods, reservations
from shipments.services import creation, lifecycle
from tests.factories import cancel, order_of, pay, write_off
from tests.fulfillment.factories import fulfillments, pick_all, reach, short
from tests.log import event_data, event_names, latest_number
from tests.parallel import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def policy():
    return Policy.objects.create(organization_id="org_1", reservation="backorder")


def reserve(order, reservation_id, *places):
    allocations = [
        {"order_item_id": order.lines[line].id, "warehouse_id": warehouse, "quantity": count}
        for line, warehouse, count in places
    ]
    return reservations.reserve_stock(
        order_id=order.id, reservation_id=reservation_id, allocations=allocations
    )


def waiting(order):
    """Return the back-ordered units of each line."""
    return [line.backordered for line in selectors.get(order.id).lines]


def planned(order):
    """Return the units of each warehouse, by line."""
    numbers = {line.id: n for n, line in enumerate(order.lines)}
    return {
        each.warehouse_id: {numbers[item]: count for item, count in (+each.quantities).items()}
        for each in fulfillments(order)
        if each.status != "cancelled"
    }


def deliver(order):
    """Send and deliver the planned units."""
    one = reach(fulfillments(order)[0], "packed")
    shipment = creation.create_shipment(fulfillment_id=one.id, carrier="manual", service="Van")
    lifecycle.dispatch_shipment(shipment_id=shipment.id)
    lifecycle.deliver_shipment(shipment_id=shipment.id)


def partly_reserved(*, paid=True):
    """An order of three and two units; Inventory has reserved one and two."""
    order = order_of(3, 2, status="placed")
    reserve(order, "res_1", (0, "wh_1", 1), (1, "wh_1", 2))
    if paid:
        pay(order)
    return selectors.get(order.id)


@pytest.mark.parametrize("first", ["payment", "reservation"])
def test_only_reserved_units_are_confirmed_and_planned(first):
    order = order_of(3, 2, status="placed")
    if first == "payment":
        pay(order)
        assert selectors.get(order.id).status == "paid"
    reserve(order, "res_1", (0, "wh_1", 1))
    if first == "reservation":
        pay(order)
    order = selectors.get(order.id)
    assert (order.status, waiting(order), planned(order)) == ("confirmed", [2, 2], {"wh_1": {0: 1}})
    assert event_data(order, "order.confirmed")["items"] == [
        {"variant_id": "var_0", "quantity": 1, "warehouse_id": "wh_1"}
    ]
    units = event_data(order, "order.reserved")["backordered"]
    assert [unit["quantity"] for unit in units] == [2, 2]
    assert list(Order.objects.filter(selectors.WITH_BACKORDERED_UNITS)) == [order]


def test_at_least_one_unit_must_be_reserved():
    order = order_of(3, status="placed")
    for _ in range(2):
        with pytest.raises(PartialReservation, match="No unit"):
            reserve(order, "res_1")
    order = partly_reserved()
    with pytest.raises(PartialReservation, match="No unit"):
        reserve(order, "res_2")


def test_a_further_reservation_adds_to_the_plan():
    order = partly_reserved()
    reserve(order, "res_2", (0, "wh_1", 1), (0, "wh_2", 1))
    assert waiting(order) == [0, 0]
    assert planned(order) == {"wh_1": {0: 2, 1: 2}, "wh_2": {0: 1}}
    allocations = event_data(order, "order.backorder_reserved")["allocations"]
    assert [(a["warehouse_id"], a["quantity"]) for a in allocations] == [("wh_1", 1), ("wh_2", 1)]
    assert selectors.get(order.id).reservation_id == "res_1"
    assert not Order.objects.filter(selectors.WITH_BACKORDERED_UNITS).exists()


def test_a_further_reservation_before_the_payment_is_confirmed_with_the_others():
    order = partly_reserved(paid=False)
    reserve(order, "res_2", (0, "wh_2", 1))
    assert planned(order) == {}
    pay(order)
    assert planned(order) == {"wh_1": {0: 1, 1: 2}, "wh_2": {0: 1}}
    items = event_data(order, "order.confirmed")["items"]
    assert [(i["warehouse_id"], i["quantity"]) for i in items] == [
        ("wh_1", 1),
        ("wh_2", 1),
        ("wh_1", 2),
    ]
    assert waiting(order) == [1, 0]


def test_a_further_reservation_is_accepted_while_a_warehouse_picks_and_after_a_parcel_has_left():
    order = partly_reserved()
    one = reach(fulfillments(order)[0], "started")
    reserve(order, "res_2", (0, "wh_1", 1))
    assert planned(order) == {"wh_1": {0: 2, 1: 2}}
    pick_all(one)
    fulfillment.pack_fulfillment(fulfillment_id=one.id, packages=[{"weight": "1"}])
    reserve(order, "res_3", (0, "wh_1", 1))
    first, second = fulfillments(order)
    assert (first.status, second.status, second.quantities.total()) == ("packed", "open", 1)
    with pytest.raises(FulfillmentHasStarted):
        reserve(order, "res_3", (0, "wh_2", 1))


def test_repeated_answers_record_nothing_whatever_came_between():
    order = partly_reserved()
    reserve(order, "res_2", (0, "wh_1", 1))
    before = latest_number()
    reserve(order, "res_1", (1, "wh_1", 2), (0, "wh_1", 1))
    reserve(order, "res_2", (0, "wh_1", 1))
    assert (event_names(order, after=before), waiting(order)) == ([], [1, 0])


@pytest.mark.parametrize(
    ("corrected", "waits", "plan"),
    [
        (("res_1", (0, "wh_3", 2)), [0, 2], {"wh_2": {0: 1}, "wh_3": {0: 2}}),
        (("res_2", (0, "wh_3", 2)), [0, 0], {"wh_1": {0: 1, 1: 2}, "wh_3": {0: 2}}),
        (("res_2", (0, "wh_2", 1), (0, "wh_1", 1)), [0, 0], {"wh_1": {0: 2, 1: 2}, "wh_2": {0: 1}}),
    ],
)
@pytest.mark.parametrize("paid", [True, False])
def test_a_correction_replaces_the_allocations_of_its_own_reservation(paid, corrected, waits, plan):
    order = partly_reserved(paid=paid)
    reserve(order, "res_2", (0, "wh_2", 1))
    reserve(order, *corrected)
    assert (waiting(order), selectors.get(order.id).reservation_id) == (waits, "res_1")
    held = Counter()
    for unit in event_data(order, "order.reserved")["allocations"]:
        held[unit["warehouse_id"], int(unit["variant_id"][-1])] += unit["quantity"]
    assert held == {(place, n): count for place in plan for n, count in plan[place].items()}
    if not paid:
        pay(order)
    assert planned(order) == plan


def test_a_correction_names_some_units_and_no_more_than_there_are():
    order = partly_reserved()
    reserve(order, "res_2", (0, "wh_2", 1))
    with pytest.raises(TooManyUnits):
        reserve(order, "res_2", (0, "wh_2", 3))
    with pytest.raises(TooManyUnits):
        reserve(order, "res_1", (0, "wh_1", 3))
    assert planned(order) == {"wh_1": {0: 1, 1: 2}, "wh_2": {0: 1}}


class TestRejectionOfAFurtherReservation:
    def reject(self, order, reservation_id):
        return reservations.reject_reservation(order_id=order.id, reservation_id=reservation_id)

    def test_the_backordered_units_are_written_off_and_refunded_once(self):
        order = partly_reserved()
        for _ in range(2):
            self.reject(order, "res_2")
        order = selectors.get(order.id)
        assert (order.status, waiting(order)) == ("confirmed", [0, 0])
        assert [line.cancelled for line in order.lines] == [2, 0]
        event = event_data(order, "order.units_written_off")
        assert (event["reason"], event["items"]) == ("out_of_stock", [])
        assert event_names(order).count("order.units_written_off") == 1
        assert event_data(order, "refund.requested")["amount"] == "50.00"

    def test_the_order_is_completed_if_the_others_have_arrived(self):
        order = partly_reserved()
        deliver(order)
        assert selectors.get(order.id).status == "processing"
        self.reject(order, "res_2")
        assert selectors.get(order.id).status == "delivered"

    def test_one_that_was_replaced_is_not_rejected(self):
        order = order_of(3, status="placed")
        reserve(order, "res_0", (0, "wh_1", 3))
        reserve(order, "res_1", (0, "wh_1", 1))
        pay(order)
        with pytest.raises(OtherReservation, match="res_0 was replaced by res_1"):
            self.reject(order, "res_0")

    def test_one_that_the_order_holds_is_not_rejected(self):
        order = partly_reserved()
        reserve(order, "res_2", (0, "wh_2", 1))
        with pytest.raises(OtherReservation, match="holds res_2: write its units off"):
            self.reject(order, "res_2")

    def test_before_the_payment_the_order_is_rejected_as_a_whole(self):
        order = partly_reserved(paid=False)
        with pytest.raises(OtherReservation, match="holds the reservation res_1"):
            self.reject(order, "res_2")
        assert self.reject(order, "res_1").is_cancelled()


def test_no_more_units_than_are_backordered_are_reserved():
    order = partly_reserved()
    with pytest.raises(TooManyUnits, match="available: 2; requested: 3"):
        reserve(order, "res_2", (0, "wh_1", 3))
    with pytest.raises(TooManyUnits, match="available: 0"):
        reserve(order, "res_2", (0, "wh_1", 2), (1, "wh_1", 1))
    assert waiting(order) == [2, 0]
    reserve(order, "res_2", (0, "wh_1", 2))
    with pytest.raises(InvalidTransition, match="some units are back-ordered"):
        reserve(order, "res_3", (0, "wh_1", 1))


@pytest.mark.django_db(transaction=True)
def test_of_two_answers_at_once_one_reserves_the_units():
    order = partly_reserved()
    results = at_once(2, lambda n: reserve(order, f"res_{n + 2}", (0, f"wh_{n + 2}", 2)).id)
    assert sum(isinstance(each, DomainError) for each in results) == 1
    assert waiting(order) == [0, 0]
    assert sum(units.get(0, 0) for units in planned(order).values()) == 3


def test_a_later_policy_does_not_change_what_a_further_reservation_means(policy):
    order = partly_reserved()
    policy.reservation = "optional"
    policy.save()
    reserve(order, "res_2", (0, "wh_2", 1))
    assert planned(order) == {"wh_1": {0: 1, 1: 2}, "wh_2": {0: 1}}
    assert waiting(order) == [1, 0]


def test_a_later_policy_does_not_change_what_a_correction_means(policy):
    order = partly_reserved(paid=False)
    policy.reservation = "required"
    policy.save()
    reserve(order, "res_1", (0, "wh_2", 2))
    assert waiting(order) == [1, 2]


def test_a_complete_reservation_is_replaced_as_without_the_policy():
    order = order_of(2, status="placed")
    reserve(order, "res_1", (0, "wh_1", 2))
    reserve(order, "res_2", (0, "wh_2", 2))
    order = selectors.get(order.id)
    assert (order.reservation_id, order.lines[0].by_warehouse()) == ("res_2", {"wh_2": 2})


@pytest.mark.parametrize("named", [True, False])
def test_backordered_units_are_written_off_first(named, settings):
    if named:
        settings.EVENTS_CONSUMER_QUEUES = {"inventory": ["order.units_written_off"]}
    order = partly_reserved()
    write_off(order, 0, 3)
    event = event_data(order, "order.units_written_off")
    assert [unit["quantity"] for unit in event["backordered"]] == [2]
    assert [(u["quantity"], u["warehouse_id"]) for u in event["items"]] == [(1, "wh_1")]
    assert event["amount"] == "75.00"
    assert event_data(order, "refund.requested")["amount"] == "75.00"
    assert (waiting(order), planned(order)) == ([0, 0], {"wh_1": {1: 2}})
    unreleased = order.write_offs.filter(released_at=None)
    assert [row.quantity for row in unreleased] == ([] if named else [1])


def test_inventory_has_nothing_to_release_of_backordered_units():
    order = partly_reserved()
    write_off(order, 0, 2)
    order = selectors.get(order.id)
    assert "release-units" not in order.allowed_actions()
    assert event_data(order, "order.units_written_off")["items"] == []
    cancel(order)
    assert event_data(order, "order.cancelled")["stock_to_release"] == [
        {"variant_id": "var_0", "quantity": 1, "warehouse_id": "wh_1"},
        {"variant_id": "var_1", "quantity": 2, "warehouse_id": "wh_1"},
    ]


def test_an_answer_that_comes_too_late_is_refused():
    order = partly_reserved()
    write_off(order, 0, 2)
    with pytest.raises(InvalidTransition, match="some units are back-ordered"):
        reserve(order, "res_2", (0, "wh_2", 2))
    cancel(order)
    with pytest.raises(DomainError, match="is cancelled"):
        reserve(order, "res_2", (0, "wh_2", 2))


def test_a_cancelled_order_refunds_backordered_units_and_waits_for_none():
    order = partly_reserved()
    cancel(order)
    stock = event_data(order, "order.cancelled")["stock_to_release"]
    assert [item["quantity"] for item in stock] == [1, 2]
    assert event_data(order, "refund.requested")["amount"] == "125.00"
    assert waiting(order) == [0, 0]


def test_a_short_unit_that_is_given_up_is_no_backordered_one():
    order = partly_reserved()
    one = reach(fulfillments(order)[0], "started")
    short(one, line=0, quantity=1)
    units = {order.lines[0].id: 1}
    fulfillment.write_off_short_units(fulfillment_id=one.id, units=units)
    line = selectors.get(order.id).lines[0]
    assert (line.cancelled, line.backordered) == (1, 2)
    event = event_data(order, "order.units_written_off")
    assert (len(event["items"]), event["backordered"]) == (1, [])


def test_the_order_can_be_cancelled_by_writing_off_everything():
    order = partly_reserved()
    units = {line.id: line.quantity for line in order.lines}
    goods.write_off_units(order_id=order.id, units=units, reason="out_of_stock")
    order = selectors.get(order.id)
    assert (order.status, planned(order)) == ("cancelled", {})
    assert event_data(order, "order.units_written_off")["amount"] == "125.00"
