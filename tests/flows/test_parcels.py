"""Parcels that come back to their sender, and lost ones that arrive after all."""

from collections import Counter

import pytest

from events import reactions
from events.aggregate import InvalidTransition
from events.reactions import ReactionsPending
from fulfillment import services as fulfillment
from fulfillment.exceptions import TooManyFulfillmentUnits
from fulfillment.models import Fulfillment
from fulfillment.selectors import TO_UNPACK
from orders import selectors as order_selectors
from orders.models import Policy
from orders.services import goods as order_goods
from returns import selectors, services
from returns.models import Return
from shipments import selectors as shipment_selectors
from tests.consumers.inventory import EXTENSIONS
from tests.consumers.truth import true_stock
from tests.flows.goods import arrive, confirmed, lose, now, pack, pay_out, ship
from tests.flows.test_inventory import QUEUE, inventory, messages
from tests.flows.truth import expect_consistent
from tests.fulfillment.factories import fulfillments, pick, reach, short
from tests.log import event_data, event_names
from tests.reacting import as_rows
from tests.returns.factories import request
from tests.shipments.factories import scan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "both_ways")]


@pytest.fixture(autouse=True)
def inventory_follows(settings):
    """Compare Inventory's stock with the truth at the end of each test."""
    settings.EVENTS_CONSUMER_QUEUES = {QUEUE: list(EXTENSIONS)}
    settings.EVENTS_QUEUE_PREFIX = ""
    yield
    assert inventory(messages()).stock() == true_stock()


@pytest.fixture
def order(run_reactions):
    """An order with three units of one line, which left in one parcel."""
    order = confirmed({"wh_1": 3}, run_reactions=run_reactions)
    pack(fulfillments(order)[0], run_reactions=run_reactions)
    ship(fulfillments(order)[0], run_reactions=run_reactions)
    return order


def parcel(order):
    return shipment_selectors.get(order_selectors.dispatches(order, first_id(order))[0].shipment_id)


def first_id(order):
    return shipment_selectors.active(order.id).earliest("id").pk


def come_back(order, run_reactions):
    """The carrier returns the parcel to the sender: return its return."""
    lose(parcel(order), status="returned_to_sender", run_reactions=run_reactions)
    return selectors.get(Return.objects.get(shipment=first_id(order)).pk)


def receive(row, run_reactions, warehouse="wh_1", **units):
    """Receive these units of the first line, by their condition."""
    item = row.lines[0].order_item_id
    items = [
        {"order_item_id": item, "quantity": quantity, "condition": condition, "accepted": True}
        for condition, quantity in units.items()
    ]
    services.receive_return(return_id=row.id, warehouse_id=warehouse, items=items)
    run_reactions()
    return selectors.get(row.id)


def receive_all(row, run_reactions):
    """Receive all units of a customer's return."""
    services.approve_return(return_id=row.id)
    return receive(row, run_reactions, good=row.outstanding_quantity)


def counts(order):
    """Return the units of the first line: written off, shipped, delivered and returned."""
    line = now(order).lines[0]
    return line.cancelled, line.shipped, line.delivered, line.returned


def planned(order):
    """Return the units of each fulfillment after the first, with its status and warehouse."""
    return [
        (each.status, each.warehouse_id, sum(each.quantities.values()))
        for each in fulfillments(order)[1:]
    ]


class TestReturnedToTheSender:
    def test_the_parcel_is_expected_and_nothing_is_picked_before_it_is_received(
        self, order, run_reactions
    ):
        row = come_back(order, run_reactions)
        requested = event_data(order, "return.requested")
        assert (requested["return_id"], requested["reason"]) == (row.id, "returned_to_sender")
        assert [item["quantity"] for item in requested["items"]] == [3]
        assert (row.status, row.approved_amount, row.max_refund) == ("approved", 0, 0)
        assert row.allowed_actions() == ["cancel", "receive"]
        assert "return.approved" not in event_names(order)
        assert (counts(order), planned(order)) == ((0, 3, 0, 0), [])

    def test_received_units_are_picked_again_where_they_are_and_reach_the_customer(
        self, order, run_reactions
    ):
        row = receive(come_back(order, run_reactions), run_reactions, "wh_2", good=2, opened=1)
        assert row.status == "closed"
        received = event_data(order, "return.received")
        assert [(item["condition"], item["quantity"]) for item in received["returned_items"]] == [
            ("good", 2),
            ("opened", 1),
        ]
        assert {item["return_reason"] for item in received["returned_items"]} == {
            "returned_to_sender"
        }
        assert (counts(order), planned(order)) == ((0, 0, 0, 0), [("open", "wh_2", 3)])
        again = fulfillments(order)[1]
        pack(again, run_reactions=run_reactions)
        arrive(ship(again, run_reactions=run_reactions), run_reactions=run_reactions)
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        assert Counter(event_names(order))["order.shipped"] == 2
        assert not {"payment.refunded", "order.units_returned"} & set(event_names(order))
        expect_consistent(order.id)

    @pytest.mark.parametrize("condition", ["damaged", "defective", "wrong_item"])
    def test_units_that_cannot_be_sent_again_are_written_off_and_refunded(
        self, condition, order, run_reactions
    ):
        receive(come_back(order, run_reactions), run_reactions, good=2, **{condition: 1})
        pay_out(order, run_reactions=run_reactions)
        assert (counts(order), planned(order)) == ((1, 0, 0, 0), [("open", "wh_1", 2)])
        refunded = event_data(order, "payment.refunded")
        assert (refunded["refund_amount"], refunded["refund_reason"]) == (
            "25.00",
            "units_written_off",
        )
        expect_consistent(order.id)

    def test_an_order_without_usable_units_is_cancelled_and_has_nothing_to_unpack(
        self, order, run_reactions
    ):
        receive(come_back(order, run_reactions), run_reactions, damaged=3)
        pay_out(order, run_reactions=run_reactions)
        assert (now(order).status, counts(order)) == ("cancelled", (3, 0, 0, 0))
        assert event_data(order, "payment.refunded")["refund_amount"] == "75.00"
        assert planned(order) == []
        assert not Fulfillment.objects.filter(TO_UNPACK).exists()
        expect_consistent(order.id)

    def test_who_may_request_returns_cannot_declare_a_parcel_lost(
        self, order, run_reactions, caller
    ):
        """Its units would be sent again, although they are on their way back."""
        path = f"/api/v1/returns/{come_back(order, run_reactions).id}/cancel"
        refused = caller(scope="returns:request").post(path)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
        allowed = caller(scope="returns:request returns:receive").post(path)
        assert allowed.json()["status"] == "cancelled"

    def test_units_that_are_missing_in_the_parcel_are_lost(self, order, run_reactions):
        row = receive(come_back(order, run_reactions), run_reactions, "wh_2", good=1)
        assert (row.status, counts(order)) == ("approved", (0, 2, 0, 0))
        services.close_return(return_id=row.id, note="Two were stolen.")
        run_reactions()
        assert selectors.get(row.id).status == "closed"
        assert counts(order) == (0, 0, 0, 0)
        assert planned(order) == [("open", "wh_2", 1), ("open", "wh_1", 2)]
        expect_consistent(order.id)

    def test_a_parcel_that_never_arrives_is_lost(self, order, run_reactions):
        row = come_back(order, run_reactions)
        services.cancel_return(return_id=row.id, note="It is nowhere.")
        run_reactions()
        assert selectors.get(row.id).status == "cancelled"
        assert (counts(order), planned(order)) == ((0, 0, 0, 0), [("open", "wh_1", 3)])
        expect_consistent(order.id)

    def test_the_customer_can_return_the_units_that_were_sent_again(self, order, run_reactions):
        receive(come_back(order, run_reactions), run_reactions, good=3)
        again = fulfillments(order)[1]
        pack(again, run_reactions=run_reactions)
        arrive(ship(again, run_reactions=run_reactions), run_reactions=run_reactions)
        assert selectors.get(request(now(order), 3).id).value == 75

    @pytest.mark.parametrize("end", ["cancel", "close"])
    def test_units_that_arrive_after_they_were_given_up_are_only_restocked(
        self, end, order, run_reactions
    ):
        row = come_back(order, run_reactions)
        if end == "cancel":
            services.cancel_return(return_id=row.id)
        else:
            receive(row, run_reactions, good=1)
            services.close_return(return_id=row.id)
        run_reactions()
        before, planned_before = event_names(order), planned(order)
        ended = selectors.get(row.id)
        assert ended.allowed_actions() == ["receive"]
        row = receive(row, run_reactions, good=ended.outstanding_quantity)
        assert event_names(order)[len(before) :] == ["return.received"]
        assert (row.status, row.allowed_actions()) == (ended.status, [])
        assert (counts(order), planned(order)) == ((0, 0, 0, 0), planned_before)
        expect_consistent(order.id)

    def test_a_parcel_that_is_delivered_after_all_ends_its_return(self, order, run_reactions):
        row = come_back(order, run_reactions)
        arrive(parcel(order), run_reactions=run_reactions)
        row = selectors.get(row.id)
        assert (row.status, row.ending_note) == ("cancelled", "The parcel was delivered.")
        assert row.allowed_actions() == []
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        assert planned(order) == []
        expect_consistent(order.id)

    @pytest.mark.parametrize("why", ["given up", "lost before"])
    def test_a_delivered_parcel_is_not_received(self, why, order, run_reactions, api):
        if why == "lost before":
            lose(parcel(order), run_reactions=run_reactions)
        row = come_back(order, run_reactions)
        if why == "given up":
            services.cancel_return(return_id=row.id)
            run_reactions()
        arrive(parcel(order), run_reactions=run_reactions)
        assert selectors.get(row.id).allowed_actions() == []
        item = {"order_item_id": row.lines[0].order_item_id, "quantity": 3, "condition": "good"}
        refused = api.post(
            f"/api/v1/returns/{row.id}/receive",
            {"warehouse_id": "wh_1", "items": [item]},
            headers={"Idempotency-Key": "once"},
        )
        assert refused.status_code == 409
        assert "the parcel was not delivered after all" in refused.json()["detail"]
        received = receive_all(request(now(order), 3), run_reactions)
        assert (received.status, counts(order)) == ("received", (0, 3, 3, 3))

    def test_a_parcel_is_not_received_before_the_return_knows_of_its_delivery(
        self, order, run_reactions
    ):
        row = come_back(order, run_reactions)
        with as_rows():
            arrive(parcel(order), run_reactions=lambda: None)
            with pytest.raises(InvalidTransition, match="the parcel was not delivered"):
                receive(row, lambda: None, good=1)
        run_reactions()
        assert selectors.get(row.id).status == "cancelled"
        expect_consistent(order.id)

    def test_a_return_that_was_cancelled_stays_so_when_units_come_late(self, order, run_reactions):
        row = come_back(order, run_reactions)
        for _ in range(2):
            services.cancel_return(return_id=row.id, note="It is nowhere.")
            run_reactions()
            row = receive(row, run_reactions, good=1)
        assert (row.status, row.outstanding_quantity) == ("cancelled", 1)

    def test_a_parcel_of_which_units_are_received_is_not_delivered(self, order, run_reactions):
        receive(come_back(order, run_reactions), run_reactions, good=1)
        with pytest.raises(InvalidTransition, match="no warehouse has received units of it"):
            arrive(parcel(order), run_reactions=run_reactions)

    def test_a_parcel_that_was_given_up_can_be_delivered(self, order, run_reactions):
        row = come_back(order, run_reactions)
        services.cancel_return(return_id=row.id)
        run_reactions()
        arrive(parcel(order), run_reactions=run_reactions)
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        assert planned(order) == [("cancelled", "wh_1", 0)]
        expect_consistent(order.id)

    def test_a_scan_that_is_sent_twice_opens_one_return(self, order, run_reactions):
        come_back(order, run_reactions)
        lose(parcel(order), status="returned_to_sender", run_reactions=run_reactions)
        assert Return.objects.count() == 1


class TestLostAndFound:
    @pytest.fixture(params=["scan", "deliver"])
    def turn_up(self, request, run_reactions):
        """Return a function that delivers the lost parcel of an order."""

        def deliver(order):
            if request.param == "scan":
                scan(parcel(order), "delivered")
                run_reactions()
            else:
                arrive(parcel(order), run_reactions=run_reactions)
            expect_consistent(order.id)

        return deliver

    def test_the_open_pick_of_the_replacement_is_cancelled(self, order, turn_up, run_reactions):
        lose(parcel(order), run_reactions=run_reactions)
        assert (counts(order), planned(order)) == ((0, 0, 0, 0), [("open", "wh_1", 3)])
        turn_up(order)
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        assert planned(order) == [("cancelled", "wh_1", 0)]
        assert event_names(order).count("order.shipped") == 1

    def test_a_replacement_that_was_picked_is_sent_too(self, order, turn_up, run_reactions):
        lose(parcel(order), run_reactions=run_reactions)
        again = fulfillments(order)[1]
        pack(again, run_reactions=run_reactions)
        turn_up(order)
        assert parcel(order).status == "delivered"
        assert (now(order).status, counts(order)) == ("shipped", (0, 0, 0, 0))
        arrive(ship(again, run_reactions=run_reactions), run_reactions=run_reactions)
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        assert event_names(order).count("order.delivered") == 1
        expect_consistent(order.id)

    def test_picked_units_that_are_put_back_after_the_arrival_are_not_sent_again(
        self, order, turn_up, run_reactions
    ):
        lose(parcel(order), run_reactions=run_reactions)
        again = fulfillments(order)[1]
        pack(again, run_reactions=run_reactions)
        turn_up(order)
        for quantity in (1, 2):
            short(again, quantity=quantity)
            run_reactions()
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        assert sum(fulfillments(order)[1].quantities.values()) == 0
        expect_consistent(order.id)

    def test_units_that_arrived_are_not_written_off_before_the_order_knows_that_they_are_put_back(
        self, order, turn_up, run_reactions
    ):
        lose(parcel(order), run_reactions=run_reactions)
        again = fulfillments(order)[1]
        pack(again, run_reactions=run_reactions)
        turn_up(order)
        with as_rows():
            short(again, quantity=3)
            units = {now(order).lines[0].id: 1}
            with pytest.raises(ReactionsPending):
                order_goods.write_off_units(order_id=order.id, units=units, reason="other")
        run_reactions()
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        expect_consistent(order.id)

    @pytest.mark.parametrize("end", ["lost", "good", "damaged", "nowhere"])
    def test_of_a_replacement_that_does_not_arrive_nothing_is_sent_or_refunded(
        self, end, order, turn_up, run_reactions
    ):
        """The customer has the units of the first parcel, which was lost for a while."""
        lose(parcel(order), run_reactions=run_reactions)
        again = fulfillments(order)[1]
        pack(again, run_reactions=run_reactions)
        turn_up(order)
        second = ship(again, run_reactions=run_reactions)
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
    def test_inventory_knows_which_warehouse_does_not_send_them_again(
        self, way, turn_up, run_reactions
    ):
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
        self, turn_up, run_reactions
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

    def test_the_replacement_is_not_picked_before_the_warehouse_knows_of_the_arrival(
        self, run_reactions
    ):
        order = confirmed({"wh_1": 2, "wh_2": 1}, run_reactions=run_reactions)
        pack(fulfillments(order)[0], run_reactions=run_reactions)
        found = ship(fulfillments(order)[0], run_reactions=run_reactions)
        lose(found, run_reactions=run_reactions)
        again = reach(fulfillments(order)[-1], "started")
        with as_rows():
            arrive(found, run_reactions=lambda: reactions.run_pending(order.id, "orders"))
            with pytest.raises(ReactionsPending):
                pick(again)
        run_reactions()
        expect_consistent(order.id)

    def test_a_lost_parcel_at_the_dock_is_only_restocked(self, order, run_reactions):
        lose(parcel(order), run_reactions=run_reactions)
        row = come_back(order, run_reactions)
        assert (row.status, planned(order)) == ("approved", [("open", "wh_1", 3)])
        row = receive(row, run_reactions, good=2, damaged=1)
        assert row.status == "closed"
        assert not {"return.parcel_received", "return.parcel_missing"} & set(event_names(order))
        assert (counts(order), planned(order)) == ((0, 0, 0, 0), [("open", "wh_1", 3)])
        expect_consistent(order.id)

    def test_a_lost_parcel_that_was_to_come_back_is_delivered(self, order, run_reactions):
        lose(parcel(order), run_reactions=run_reactions)
        come_back(order, run_reactions)
        arrive(parcel(order), run_reactions=run_reactions)
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        assert planned(order) == [("cancelled", "wh_1", 0)]
        expect_consistent(order.id)

    def test_of_a_replacement_in_work_only_the_picked_units_are_sent(
        self, order, turn_up, run_reactions
    ):
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

    def test_units_that_were_written_off_stay_so(self, order, turn_up, run_reactions):
        lose(parcel(order), run_reactions=run_reactions)
        units = {now(order).lines[0].id: 3}
        order_goods.write_off_units(order_id=order.id, units=units, reason="other")
        run_reactions()
        turn_up(order)
        assert parcel(order).status == "delivered"
        assert (now(order).status, counts(order)) == ("cancelled", (3, 0, 0, 0))

    def test_an_order_whose_last_units_turn_up_is_shipped_or_delivered(
        self, turn_up, run_reactions
    ):
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
        self, order, run_reactions
    ):
        with as_rows():
            lose(parcel(order), run_reactions=lambda: None)
            arrive(parcel(order), run_reactions=lambda: reactions.run_pending(order.id, "orders"))
        run_reactions()
        assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
        assert planned(order) == []
        expect_consistent(order.id)

    def test_the_replacement_is_not_picked_while_other_units_are_backordered(self, run_reactions):
        Policy.objects.create(organization_id="org_1", reservation="backorder")
        order = confirmed({"wh_1": 2}, run_reactions=run_reactions, quantities=(3,))
        pack(fulfillments(order)[0], run_reactions=run_reactions)
        found = ship(fulfillments(order)[0], run_reactions=run_reactions)
        lose(found, run_reactions=run_reactions)
        again = reach(fulfillments(order)[1], "started")
        with as_rows():
            arrive(found, run_reactions=lambda: reactions.run_pending(order.id, "orders"))
        with pytest.raises(ReactionsPending):
            pick(again)
        run_reactions()
        assert planned(order) == [("cancelled", "wh_1", 0)]
        expect_consistent(order.id)

    def test_the_carriers_scan_of_its_arrival_at_the_sender_is_no_delivery(
        self, order, run_reactions
    ):
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
