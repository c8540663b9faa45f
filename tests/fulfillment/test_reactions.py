"""Which warehouse gets which units when the order changes."""

import pytest

from config.core.exceptions import Conflict
from events.reactions import ReactionsPending
from fulfillment import selectors, services
from fulfillment.exceptions import TooManyFulfillmentUnits
from orders.exceptions import FulfillmentHasStarted, OrderIsCancelled
from orders.services import lifecycle, reservations
from tests.factories import write_off
from tests.fulfillment.factories import (
    FulfillmentFactory,
    fulfillments,
    order_in,
    pick,
    reach,
)
from tests.reacting import as_rows

pytestmark = pytest.mark.django_db


def units(fulfillment):
    return {line.order_item_id: line.quantity for line in fulfillment.lines if line.quantity}


def again(fulfillment):
    return selectors.with_lines().get(pk=fulfillment.pk)


def test_each_warehouse_gets_its_allocation():
    order = order_in({"wh_1": 2}, {"wh_1": 1, "wh_2": 3})
    one, two = fulfillments(order)
    first, second = (line.id for line in order.lines)
    assert (one.warehouse_id, units(one)) == ("wh_1", {first: 2, second: 1})
    assert (two.warehouse_id, units(two)) == ("wh_2", {second: 3})


def test_without_an_allocation_the_preferred_warehouse_gets_the_units():
    assert FulfillmentFactory().warehouse_id == "wh_101"


def test_a_new_reservation_replaces_the_plan():
    order = order_in({"wh_1": 2}, {"wh_2": 3})
    fulfillments(order)
    allocation = {
        "order_item_id": order.lines[0].id,
        "warehouse_id": "wh_2",
        "quantity": 2,
    }
    reservations.reserve_stock(order_id=order.id, reservation_id="res_2", allocations=[allocation])
    by_warehouse = {each.warehouse_id: (each.status, units(each)) for each in fulfillments(order)}
    assert by_warehouse == {
        "wh_1": ("cancelled", {}),
        "wh_2": ("open", {order.lines[0].id: 2}),
        "wh_101": ("open", {order.lines[1].id: 3}),
    }


def test_the_allocation_is_fixed_once_picking_has_started():
    order = order_in({"wh_1": 2}, {"wh_2": 3})
    reach(fulfillments(order)[0], "started")
    with pytest.raises(FulfillmentHasStarted):
        reservations.reserve_stock(order_id=order.id, reservation_id="res_2", allocations=[])


def test_picking_cannot_start_before_a_new_reservation_is_planned():
    order = order_in({"wh_1": 2})
    fulfillment = fulfillments(order)[0]
    with as_rows():
        reservations.reserve_stock(order_id=order.id, reservation_id="res_2", allocations=[])
    with pytest.raises(ReactionsPending):
        services.start_fulfillment(fulfillment_id=fulfillment.id)


def test_a_cancelled_order_cancels_its_fulfillments(run_reactions):
    order = order_in({"wh_1": 2}, {"wh_2": 3})
    one, two = fulfillments(order)
    reach(one, "started")
    with as_rows():
        lifecycle.cancel_order(order_id=order.id, reason="customer_request")
    with pytest.raises(OrderIsCancelled):
        pick(one)
    run_reactions()
    assert {again(one).status, again(two).status} == {"cancelled"}


def test_written_off_units_are_withdrawn_from_open_fulfillments_first():
    order = order_in({"wh_1": 2, "wh_2": 2})
    one, two = fulfillments(order)
    reach(one, "started")
    write_off(order, 0, 3)
    fulfillments(order)
    assert (again(one).status, units(again(one))) == ("started", {order.lines[0].id: 1})
    assert (again(two).status, units(again(two))) == ("cancelled", {})


def test_picked_units_cannot_be_written_off():
    order = order_in({"wh_1": 3})
    fulfillment = reach(fulfillments(order)[0], "started")
    pick(fulfillment, quantity=2)
    with pytest.raises(Conflict, match="Report picked units") as refused:
        write_off(order, 0, 2)
    assert refused.value.code == "units_are_picked"
    write_off(order, 0, 1)


def test_units_written_off_in_the_order_cannot_be_picked():
    order = order_in({"wh_1": 3})
    fulfillment = reach(fulfillments(order)[0], "started")
    with as_rows():
        write_off(order, 0, 2)
    with pytest.raises(TooManyFulfillmentUnits, match="1 units can be sent"):
        pick(fulfillment, quantity=2)
    pick(fulfillment)
