"""Orders in several shipments from several warehouses, and what can go wrong."""

import json
from collections import Counter
from decimal import Decimal

import pytest

from events.aggregate import InvalidTransition
from events.models import EventRecord
from fulfillment import services as fulfillment
from fulfillment.models import Fulfillment
from fulfillment.selectors import WITH_SHORT_UNITS
from orders.exceptions import AlreadyShipped, OrderOnHold
from orders.models import Order, Policy
from orders.selectors import ON_HOLD, WITH_UNRELEASED_UNITS
from orders.services import goods as order_goods
from orders.services import lifecycle, reservations
from payments.models import Payment
from returns import selectors as return_selectors
from returns import services as returns
from tests.factories import LineFactory, OrderFactory, pay
from tests.flows.goods import arrive, confirmed, lose, now, pack, pay_out, ship
from tests.flows.truth import expect_consistent
from tests.fulfillment.factories import fulfillments, reach, short
from tests.log import event_data, event_names
from tests.reacting import as_rows
from tests.returns.factories import approve, receive, request

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "both_ways")]


def every(order, name):
    rows = EventRecord.objects.filter(stream=order.id, name=name).order_by("number")
    return [json.loads(row.body, parse_float=Decimal)["data"] for row in rows]


def shipped(order):
    """Return the shipped units by variant and warehouse, over all shipments."""
    units = Counter()
    for event in every(order, "order.shipped"):
        for item in event["shipped_items"]:
            units[item["variant_id"], item["warehouse_id"]] += item["quantity"]
    return units


def refunded(order):
    return sum((each["refund_amount"] for each in every(order, "payment.refunded")), Decimal(0))


def unreleased():
    return [order.id for order in Order.objects.filter(WITH_UNRELEASED_UNITS)]


def test_three_shipments_from_two_warehouses_add_up_to_the_order(run_reactions):
    order = confirmed({"wh_1": 3}, {"wh_1": 1, "wh_2": 2}, run_reactions=run_reactions)
    first = order.lines[0].id
    north, south = fulfillments(order)
    pack(north, run_reactions=run_reactions)
    parcels = [
        ship(north, run_reactions=run_reactions, units={first: 2}),
        ship(north, run_reactions=run_reactions),
    ]
    assert now(order).status == "processing"
    pack(south, run_reactions=run_reactions)
    parcels.append(ship(south, run_reactions=run_reactions))
    assert now(order).status == "shipped"
    variants = [line.variant_id for line in order.lines]
    assert shipped(order) == {
        (variants[0], "wh_1"): 3,
        (variants[1], "wh_1"): 1,
        (variants[1], "wh_2"): 2,
    }
    for parcel in parcels:
        assert now(order).status == "shipped"
        arrive(parcel, run_reactions=run_reactions)
    assert now(order).status == "delivered"
    counted = Counter(event_names(order))
    assert counted["order.processing"] == counted["order.delivered"] == 1
    assert counted["order.shipped"] == counted["shipment.delivered"] == 3
    assert [line.delivered for line in now(order).lines] == [3, 3]
    assert event_data(order, "order.delivered")["signature"] == "J. P."


def test_an_order_is_delivered_after_its_short_unit_is_written_off(run_reactions):
    order = confirmed({"wh_1": 2, "wh_2": 3}, run_reactions=run_reactions)
    (item,) = (line.id for line in order.lines)
    north, south = fulfillments(order)
    pack(north, run_reactions=run_reactions)
    arrive(ship(north, run_reactions=run_reactions), run_reactions=run_reactions)
    pack(south, short={item: 1}, run_reactions=run_reactions)
    parcel = ship(south, run_reactions=run_reactions)
    with pytest.raises(InvalidTransition, match="can be written off"):
        lifecycle.cancel_order(order_id=order.id, reason="customer_request")
    arrive(parcel, run_reactions=run_reactions)
    assert now(order).status == "processing", "the missing unit is neither moved nor written off"
    fulfillment.write_off_short_units(fulfillment_id=south.id, units={item: 1})
    run_reactions()
    pay_out(order, run_reactions=run_reactions)
    assert now(order).status == "delivered"
    assert refunded(order) == Decimal("25.00")
    assert every(order, "payment.refunded")[0]["refund_reason"] == "units_written_off"
    assert unreleased() == [order.id]
    order_goods.release_written_off_units(order_id=order.id)
    assert unreleased() == []


def test_backordered_units_follow_in_a_parcel_of_their_own(run_reactions):
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    order = OrderFactory(items=[LineFactory(quantity=3)])
    (item,) = (line.id for line in order.lines)
    pay(order)
    run_reactions()
    assert now(order).status == "paid"

    def reserve(number, quantity):
        allocation = {"order_item_id": item, "warehouse_id": "wh_1", "quantity": quantity}
        reservations.reserve_stock(
            order_id=order.id, reservation_id=f"res_{number}", allocations=[allocation]
        )
        run_reactions()

    reserve(1, 2)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    arrive(ship(found, run_reactions=run_reactions), run_reactions=run_reactions)
    for _ in range(2):
        expect_consistent(order.id)
        assert (now(order).status, now(order).lines[0].delivered) == ("processing", 2)
        reserve(1, 2)
    reserve(2, 1)
    expect_consistent(order.id)
    _, later = fulfillments(order)
    reserve(2, 1)
    pack(later, run_reactions=run_reactions)
    arrive(ship(later, run_reactions=run_reactions), run_reactions=run_reactions)
    assert now(order).status == "delivered"
    counted = Counter(event_names(order))
    assert counted["order.confirmed"] == counted["order.backorder_reserved"] == 1
    assert sum(shipped(order).values()) == 3
    expect_consistent(order.id)


def test_an_order_is_delivered_after_its_backordered_units_are_written_off(run_reactions):
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    order = confirmed({"wh_1": 2}, {}, run_reactions=run_reactions, quantities=(3, 1))
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    arrive(ship(found, run_reactions=run_reactions), run_reactions=run_reactions)
    units = {line.id: quantity for line, quantity in zip(order.lines, (1, 1), strict=True)}
    order_goods.write_off_units(order_id=order.id, units=units, reason="out_of_stock")
    run_reactions()
    pay_out(order, run_reactions=run_reactions)
    assert (now(order).status, refunded(order)) == ("delivered", Decimal("50.00"))
    assert unreleased() == [], "Inventory holds none of them"
    expect_consistent(order.id)


def test_a_lost_shipment_is_sent_again(run_reactions):
    order = confirmed({"wh_1": 3}, run_reactions=run_reactions)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    lose(ship(found, run_reactions=run_reactions), run_reactions=run_reactions)
    assert (now(order).status, now(order).lines[0].shipped) == ("shipped", 0)
    _, again = fulfillments(order)
    assert (again.status, again.warehouse_id) == ("open", "wh_1")
    pack(again, run_reactions=run_reactions)
    arrive(ship(again, run_reactions=run_reactions), run_reactions=run_reactions)
    assert now(order).status == "delivered"
    assert Counter(event_names(order))["order.shipped"] == 2
    assert not Payment.objects.filter(refunding__gt=0).exists()


def test_a_lost_shipment_is_partly_written_off_and_partly_sent_again(run_reactions):
    order = confirmed({"wh_1": 3}, run_reactions=run_reactions)
    (found,) = fulfillments(order)
    (item,) = (line.id for line in order.lines)
    pack(found, run_reactions=run_reactions)
    lose(ship(found, run_reactions=run_reactions), run_reactions=run_reactions)
    order_goods.write_off_units(order_id=order.id, units={item: 1}, reason="other")
    run_reactions()
    _, again = fulfillments(order)
    assert again.quantities == {item: 2}
    pack(again, run_reactions=run_reactions)
    arrive(ship(again, run_reactions=run_reactions), run_reactions=run_reactions)
    assert (now(order).status, now(order).lines[0].delivered) == ("delivered", 2)


def test_writing_off_a_lost_shipment_completes_an_otherwise_delivered_order(run_reactions):
    order = confirmed({"wh_1": 2, "wh_2": 1}, run_reactions=run_reactions)
    (item,) = (line.id for line in order.lines)
    north, south = fulfillments(order)
    pack(north, run_reactions=run_reactions)
    pack(south, run_reactions=run_reactions)
    arrive(ship(north, run_reactions=run_reactions), run_reactions=run_reactions)
    lose(ship(south, run_reactions=run_reactions), run_reactions=run_reactions)
    assert now(order).status == "shipped"
    order_goods.write_off_units(order_id=order.id, units={item: 1}, reason="other")
    run_reactions()
    pay_out(order, run_reactions=run_reactions)
    assert (now(order).status, refunded(order)) == ("delivered", Decimal("25.00"))
    assert fulfillments(order)[-1].status == "cancelled"


def test_writing_off_all_lost_units_cancels_the_order(run_reactions):
    order = confirmed({"wh_1": 2}, run_reactions=run_reactions)
    (item,) = (line.id for line in order.lines)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    lose(ship(found, run_reactions=run_reactions), run_reactions=run_reactions)
    order_goods.write_off_units(order_id=order.id, units={item: 2}, reason="other")
    run_reactions()
    pay_out(order, run_reactions=run_reactions)
    assert (now(order).status, refunded(order)) == ("cancelled", Decimal("50.00"))
    assert {each.status for each in fulfillments(order)} == {"packed", "cancelled"}


@pytest.mark.parametrize("first", ["the order", "the warehouse"])
def test_units_written_off_in_order_and_fulfillment_count_once(first, run_reactions):
    order = confirmed({"wh_1": 3}, run_reactions=run_reactions)
    (item,) = (line.id for line in order.lines)
    found = reach(fulfillments(order)[0], "started")
    run_reactions()
    short(found, quantity=2)
    acts = [
        lambda: order_goods.write_off_units(order_id=order.id, units={item: 2}, reason="other"),
        lambda: fulfillment.write_off_short_units(fulfillment_id=found.id, units={item: 2}),
    ]
    with as_rows():
        for act in acts if first == "the order" else reversed(acts):
            act()
    run_reactions()
    assert (now(order).status, now(order).lines[0].cancelled) == ("processing", 2)


def test_an_order_held_after_a_loss_can_be_released_to_send_again(run_reactions):
    order = confirmed({"wh_1": 2}, run_reactions=run_reactions)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    lose(ship(found, run_reactions=run_reactions), run_reactions=run_reactions)
    lifecycle.hold_order(order_id=order.id, reason="fraud")
    again = fulfillments(order)[-1]
    with pytest.raises(OrderOnHold, match="on hold"):
        fulfillment.start_fulfillment(fulfillment_id=again.id)
    assert Order.objects.filter(ON_HOLD).get() == order
    lifecycle.release_order(order_id=order.id)
    assert fulfillment.start_fulfillment(fulfillment_id=again.id).status == "started"


def test_short_units_of_a_cancelled_order_leave_the_queue(run_reactions):
    order = confirmed({"wh_1": 3}, run_reactions=run_reactions)
    (found,) = fulfillments(order)
    pack(found, short={order.lines[0].id: 1}, run_reactions=run_reactions)
    waiting = Fulfillment.objects.filter(WITH_SHORT_UNITS)
    assert waiting.get() == found
    lifecycle.cancel_order(order_id=order.id, reason="customer_request")
    assert not waiting.exists()


def test_an_order_cannot_be_cancelled_after_a_dispatch_it_has_not_recorded(run_reactions):
    order = confirmed({"wh_1": 2}, run_reactions=run_reactions)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    with as_rows():
        ship(found, run_reactions=lambda: None)  # the order has not recorded it yet
    with pytest.raises(AlreadyShipped):
        lifecycle.cancel_order(order_id=order.id, reason="customer_request")
    run_reactions()
    assert now(order).status == "shipped"


def test_a_shipment_is_created_if_the_order_has_a_carrier(run_reactions):
    by = {"carrier": "FedEx", "service": "Ground"}
    order = confirmed({"wh_1": 2}, run_reactions=run_reactions, shipping=by)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    names = event_names(order)
    assert names.index("fulfillment.packed") < names.index("shipment.created")
    assert event_data(order, "shipment.created")["carrier"] == "FedEx"


def test_three_units_are_returned_in_two_receipts_and_refunded(run_reactions):
    order = confirmed({"wh_1": 4}, run_reactions=run_reactions)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    arrive(ship(found, run_reactions=run_reactions), run_reactions=run_reactions)
    return_request = request(now(order), 3)
    approve(return_request)
    receive(return_request, 2)
    run_reactions()
    assert now(order).lines[0].returned == 2
    receive(return_request, 1)
    run_reactions()
    assert now(order).lines[0].returned == 3
    deltas = [event["returned_items"] for event in every(order, "return.received")]
    assert [[item["quantity"] for item in items] for items in deltas] == [[2], [1]]
    returns.refund_return(return_id=return_request.id)
    run_reactions()
    pay_out(order, run_reactions=run_reactions)
    assert refunded(order) == Decimal("75.00")
    assert event_data(order, "return.refunded")["refund_amount"] == "75.00"
    assert return_selectors.get(return_request.id).status == "refunded"
    assert now(order).status == "delivered"
