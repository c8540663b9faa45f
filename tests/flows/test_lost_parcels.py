"""Lost parcels that arrive after all, at the customer or at their sender."""

import pytest

from events.reactions import ReactionsPending
from fulfillment import services as fulfillment
from fulfillment.exceptions import TooManyFulfillmentUnits
from orders.models import Policy
from orders.services import goods as order_goods
from returns import selectors, services
from returns.models import Return
from tests.flows.goods import arrive, confirmed, lose, now, pack, ship
from tests.flows.parcels import come_back, counts, parcel, planned, receive
from tests.flows.truth import expect_consistent
from tests.fulfillment.factories import fulfillments, pick, reach, short
from tests.log import event_names
from tests.reacting import as_rows, run_of
from tests.shipments.factories import scan

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("media", "both_ways", "inventory_follows"),
]


@pytest.fixture(params=["scan", "deliver"])
def turn_up(request, run_reactions):
    """Return a function that delivers the lost parcel of an order."""

    def deliver(order):
        if request.param == "scan":
            scan(parcel(order), "delivered")
            run_reactions()
        else:
            arrive(parcel(order), run_reactions=run_reactions)
        expect_consistent(order.id)

    return deliver


@pytest.fixture
def replacement(order, turn_up, run_reactions):
    """Return the packed replacement of a lost parcel that has arrived after all."""
    lose(parcel(order), run_reactions=run_reactions)
    again = fulfillments(order)[1]
    pack(again, run_reactions=run_reactions)
    turn_up(order)
    return again


def test_the_open_pick_of_the_replacement_is_cancelled(order, turn_up, run_reactions):
    lose(parcel(order), run_reactions=run_reactions)
    assert (counts(order), planned(order)) == ((0, 0, 0, 0), [("open", "wh_1", 3)])
    turn_up(order)
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert planned(order) == [("cancelled", "wh_1", 0)]
    assert event_names(order).count("order.shipped") == 1


def test_a_replacement_that_was_picked_is_sent_too(order, replacement, run_reactions):
    assert parcel(order).status == "delivered"
    assert (now(order).status, counts(order)) == ("shipped", (0, 0, 0, 0))
    arrive(ship(replacement, run_reactions=run_reactions), run_reactions=run_reactions)
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert event_names(order).count("order.delivered") == 1
    expect_consistent(order.id)


def test_picked_units_that_are_put_back_after_the_arrival_are_not_sent_again(
    order, replacement, run_reactions
):
    for quantity in (1, 2):
        short(replacement, quantity=quantity)
        run_reactions()
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert sum(fulfillments(order)[1].quantities.values()) == 0
    expect_consistent(order.id)


def test_units_that_arrived_are_not_written_off_before_the_order_knows_that_they_are_put_back(
    order, replacement, run_reactions
):
    with as_rows():
        short(replacement, quantity=3)
        units = {now(order).lines[0].id: 1}
        with pytest.raises(ReactionsPending):
            order_goods.write_off_units(order_id=order.id, units=units, reason="other")
    run_reactions()
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    expect_consistent(order.id)


@pytest.mark.parametrize("end", ["lost", "good", "damaged", "nowhere"])
def test_of_a_replacement_that_does_not_arrive_nothing_is_sent_or_refunded(
    end, order, replacement, run_reactions
):
    """The customer has the units of the first parcel, which was lost for a while."""
    second = ship(replacement, run_reactions=run_reactions)
    if end == "lost":
        lose(second, run_reactions=run_reactions)
    else:
        lose(second, status="returned_to_sender", run_reactions=run_reactions)
        row = selectors.get(Return.objects.get(shipment=second.id).id)
        if end == "nowhere":
            services.cancel_return(return_id=row.id)
            run_reactions()
        else:
            receive(row, run_reactions, **{end: 3})
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert all(units == 0 or status == "packed" for status, _, units in planned(order))
    assert "refund.requested" not in event_names(order)
    expect_consistent(order.id)


@pytest.mark.parametrize("way", ["received elsewhere", "moved", "two allocations"])
def test_inventory_knows_which_warehouse_does_not_send_them_again(way, turn_up, run_reactions):
    places = {"wh_1": 2, "wh_2": 1} if way == "two allocations" else {"wh_1": 3}
    order = confirmed(places, run_reactions=run_reactions)
    for each in fulfillments(order):
        pack(each, run_reactions=run_reactions)
        ship(each, run_reactions=run_reactions)
    lose(parcel(order), run_reactions=run_reactions)
    again = fulfillments(order)[-1]
    if way == "moved":
        units = {now(order).lines[0].id: 3}
        fulfillment.move_units(fulfillment_id=again.id, warehouse_id="wh_5", units=units)
        run_reactions()
        again = fulfillments(order)[-1]
    pack(again, run_reactions=run_reactions)
    turn_up(order)
    second = ship(again, run_reactions=run_reactions)
    if way == "received elsewhere":
        lose(second, status="returned_to_sender", run_reactions=run_reactions)
        row = Return.objects.get(shipment=second.id)
        receive(selectors.get(row.id), run_reactions, "wh_9", good=3)
    else:
        lose(second, run_reactions=run_reactions)
    expect_consistent(order.id)


def test_of_two_parcels_that_arrived_one_unit_is_counted_for_each_that_is_put_back(
    turn_up, run_reactions
):
    order = confirmed({"wh_1": 2}, run_reactions=run_reactions)
    packed, units = fulfillments(order)[0], {now(order).lines[0].id: 1}
    pack(packed, run_reactions=run_reactions)
    parcels = [ship(packed, run_reactions=run_reactions, units=units) for _ in range(2)]
    for each in parcels:
        lose(each, run_reactions=run_reactions)
    again = fulfillments(order)[1]
    pack(again, run_reactions=run_reactions)
    for each in parcels:
        arrive(each, run_reactions=run_reactions)
    short(again)
    run_reactions()
    assert counts(order) == (0, 1, 1, 0)
    expect_consistent(order.id)


def test_the_replacement_is_not_picked_before_the_warehouse_knows_of_the_arrival(run_reactions):
    order = confirmed({"wh_1": 2, "wh_2": 1}, run_reactions=run_reactions)
    pack(fulfillments(order)[0], run_reactions=run_reactions)
    found = ship(fulfillments(order)[0], run_reactions=run_reactions)
    lose(found, run_reactions=run_reactions)
    again = reach(fulfillments(order)[-1], "started")
    with as_rows():
        arrive(found, run_reactions=lambda: run_of("orders", order.id))
        with pytest.raises(ReactionsPending):
            pick(again)
    run_reactions()
    expect_consistent(order.id)


def test_a_lost_parcel_at_the_dock_is_only_restocked(order, run_reactions):
    lose(parcel(order), run_reactions=run_reactions)
    row = come_back(order, run_reactions)
    assert (row.status, planned(order)) == ("approved", [("open", "wh_1", 3)])
    row = receive(row, run_reactions, good=2, damaged=1)
    assert row.status == "closed"
    assert not {"return.parcel_received", "return.parcel_missing"} & set(event_names(order))
    assert (counts(order), planned(order)) == ((0, 0, 0, 0), [("open", "wh_1", 3)])
    expect_consistent(order.id)


def test_a_lost_parcel_that_was_to_come_back_is_delivered(order, run_reactions):
    lose(parcel(order), run_reactions=run_reactions)
    come_back(order, run_reactions)
    arrive(parcel(order), run_reactions=run_reactions)
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert planned(order) == [("cancelled", "wh_1", 0)]
    expect_consistent(order.id)


def test_of_a_replacement_in_work_only_the_picked_units_are_sent(order, turn_up, run_reactions):
    lose(parcel(order), run_reactions=run_reactions)
    again = reach(fulfillments(order)[1], "started")
    pick(again)
    turn_up(order)
    assert (now(order).status, counts(order)) == ("shipped", (0, 2, 2, 0))
    assert planned(order) == [("started", "wh_1", 1)]
    with pytest.raises(TooManyFulfillmentUnits):
        pick(again)
    fulfillment.pack_fulfillment(fulfillment_id=again.id, packages=[{"weight": "1"}])
    run_reactions()
    arrive(ship(again, run_reactions=run_reactions), run_reactions=run_reactions)
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))


def test_units_that_were_written_off_stay_so(order, turn_up, run_reactions):
    lose(parcel(order), run_reactions=run_reactions)
    units = {now(order).lines[0].id: 3}
    order_goods.write_off_units(order_id=order.id, units=units, reason="other")
    run_reactions()
    turn_up(order)
    assert parcel(order).status == "delivered"
    assert (now(order).status, counts(order)) == ("cancelled", (3, 0, 0, 0))


def test_an_order_whose_last_units_turn_up_is_shipped_or_delivered(turn_up, run_reactions):
    order = confirmed({"wh_1": 1, "wh_2": 1}, run_reactions=run_reactions)
    north, south = fulfillments(order)
    pack(north, run_reactions=run_reactions)
    lose(ship(north, run_reactions=run_reactions), run_reactions=run_reactions)
    pack(south, run_reactions=run_reactions)
    other = ship(south, run_reactions=run_reactions)
    assert now(order).status == "processing"
    turn_up(order)
    assert (now(order).status, counts(order)) == ("shipped", (0, 2, 1, 0))
    arrive(other, run_reactions=run_reactions)
    assert (now(order).status, counts(order)) == ("delivered", (0, 2, 2, 0))


def test_a_parcel_that_arrives_before_the_warehouse_records_its_loss_is_not_sent_again(
    order, run_reactions
):
    with as_rows():
        lose(parcel(order), run_reactions=lambda: None)
        arrive(parcel(order), run_reactions=lambda: run_of("orders", order.id))
    run_reactions()
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert planned(order) == []
    expect_consistent(order.id)


def test_the_replacement_is_not_picked_while_other_units_are_backordered(run_reactions):
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    order = confirmed({"wh_1": 2}, run_reactions=run_reactions, quantities=(3,))
    pack(fulfillments(order)[0], run_reactions=run_reactions)
    found = ship(fulfillments(order)[0], run_reactions=run_reactions)
    lose(found, run_reactions=run_reactions)
    again = reach(fulfillments(order)[1], "started")
    with as_rows():
        arrive(found, run_reactions=lambda: run_of("orders", order.id))
    with pytest.raises(ReactionsPending):
        pick(again)
    run_reactions()
    assert planned(order) == [("cancelled", "wh_1", 0)]
    expect_consistent(order.id)


def test_the_carriers_scan_of_its_arrival_at_the_sender_is_no_delivery(order, run_reactions):
    come_back(order, run_reactions)
    scan(parcel(order), "delivered")
    assert parcel(order).status == "returned_to_sender"


def test_a_replacement_is_not_picked_while_the_order_counts_its_units_as_shipped(
    order, run_reactions
):
    """The warehouse has recorded the loss, and the order not yet."""
    with as_rows():
        lose(parcel(order), run_reactions=lambda: None)
        again = reach(fulfillments(order)[1], "started")
        with pytest.raises(TooManyFulfillmentUnits, match="3 are picked or shipped"):
            pick(again)
    run_reactions()
    pick(again)
