"""Start, pick, report short and pack."""

import pytest

from events.aggregate import InvalidTransition
from fulfillment import selectors, services
from fulfillment.exceptions import (
    NotInFulfillment,
    OtherWarehouse,
    ScanReused,
    TooManyFulfillmentUnits,
    WarehouseRequired,
)
from orders import selectors as order_selectors
from orders.exceptions import OrderOnHold
from orders.services import lifecycle
from tests.factories import LineFactory, OrderFactory, write_off
from tests.fulfillment.factories import (
    PACKAGE,
    FulfillmentFactory,
    fulfillments,
    order_in,
    pick,
    pick_all,
    reach,
    short,
)
from tests.log import event_data, event_names, latest_number
from tests.reacting import as_rows

pytestmark = pytest.mark.django_db


def units(fulfillment):
    return {line.order_item_id: line.quantity for line in fulfillment.lines if line.quantity}


def again(fulfillment):
    return selectors.with_lines().get(pk=fulfillment.pk)


class TestStarting:
    def test_the_first_start_moves_the_order_to_processing(self, run_reactions):
        order = order_in({"wh_1": 2}, {"wh_2": 3})
        one, two = fulfillments(order)
        run_reactions()
        before = latest_number()
        reach(one, "started")
        reach(two, "started")
        run_reactions()
        assert event_names(order, after=before) == [
            "fulfillment.started",
            "order.processing",
            "fulfillment.started",
        ]
        assert event_data(order, "order.processing")["warehouse_id"] == "wh_1"

    def test_a_repeated_start_by_the_same_picker_changes_nothing(self):
        fulfillment = FulfillmentFactory(status="started")
        before = latest_number()
        services.start_fulfillment(fulfillment_id=fulfillment.id, assigned_to="picker_1")
        assert latest_number() == before
        with pytest.raises(InvalidTransition):
            services.start_fulfillment(fulfillment_id=fulfillment.id, assigned_to="picker_2")

    def test_an_order_on_hold_cannot_start(self, run_reactions):
        order = order_in({"wh_1": 2})
        fulfillment = fulfillments(order)[0]
        lifecycle.hold_order(order_id=order.id, reason="fraud")
        with pytest.raises(OrderOnHold, match="on hold"):
            services.start_fulfillment(fulfillment_id=fulfillment.id)
        lifecycle.release_order(order_id=order.id)
        services.start_fulfillment(fulfillment_id=fulfillment.id)

    def test_a_hold_after_the_start_does_not_stop_processing(self, run_reactions):
        order = order_in({"wh_1": 2})
        run_reactions()
        reach(fulfillments(order)[0], "started")
        lifecycle.hold_order(order_id=order.id, reason="fraud")
        run_reactions()
        assert order_selectors.get(order.id).status == "processing"

    def test_a_fulfillment_without_a_warehouse_needs_one_to_start(self):
        line = LineFactory(preferred_warehouse_id=None)
        order = OrderFactory(status="confirmed", items=[line])
        (fulfillment,) = fulfillments(order)
        with pytest.raises(WarehouseRequired):
            services.start_fulfillment(fulfillment_id=fulfillment.id)
        started = services.start_fulfillment(fulfillment_id=fulfillment.id, warehouse_id="wh_9")
        assert started.warehouse_id == "wh_9"

    def test_a_different_warehouse_is_refused(self):
        with pytest.raises(OtherWarehouse):
            services.start_fulfillment(fulfillment_id=FulfillmentFactory().id, warehouse_id="wh_9")


class TestPicking:
    def test_the_event_has_the_quantity_of_the_pick(self):
        order = order_in({"wh_1": 3})
        fulfillment = reach(fulfillments(order)[0], "started")
        pick(fulfillment, quantity=2)
        assert event_data(order, "fulfillment.item_picked")["quantity_picked"] == 2
        assert again(fulfillment).lines[0].unpicked_quantity == 1

    def test_the_same_scan_sent_ten_times_is_one_pick(self):
        fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
        before = latest_number()
        for _ in range(10):
            pick(fulfillment, scan_id="scan_1")
        assert again(fulfillment).lines[0].picked_quantity == 1
        assert latest_number() == before + 1

    def test_a_reused_scan_id_is_refused(self):
        fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
        pick(fulfillment, scan_id="scan_1")
        with pytest.raises(ScanReused):
            pick(fulfillment, quantity=2, scan_id="scan_1")

    def test_no_more_units_are_picked_than_assigned(self):
        fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
        with pytest.raises(TooManyFulfillmentUnits, match="4 requested, 3 still to be picked here"):
            pick(fulfillment, quantity=4)
        with pytest.raises(NotInFulfillment):
            pick(fulfillment, order_item_id="item_0")

    def test_units_cannot_be_picked_before_the_start(self):
        with pytest.raises(InvalidTransition):
            pick(FulfillmentFactory())


class TestShortPicks:
    def test_a_short_unit_moves_to_another_warehouse(self, run_reactions):
        order = order_in({"wh_1": 3})
        one = reach(fulfillments(order)[0], "started")
        pick(one, quantity=2)
        short(one)
        item = order.lines[0].id
        services.move_units(fulfillment_id=one.id, warehouse_id="wh_2", units={item: 1})
        one, two = fulfillments(order)
        assert (units(one), units(two)) == ({item: 2}, {item: 1})
        assert (two.status, two.warehouse_id) == ("open", "wh_2")
        services.pack_fulfillment(fulfillment_id=one.id, packages=[PACKAGE])
        run_reactions()
        assert order_selectors.get(order.id).lines[0].cancelled == 0

    def test_moved_units_join_the_other_warehouses_fulfillment(self):
        order = order_in({"wh_1": 3, "wh_2": 1})
        one, two = fulfillments(order)
        services.move_units(
            fulfillment_id=one.id, warehouse_id="wh_2", units={order.lines[0].id: 3}
        )
        assert (again(one).status, units(again(two))) == ("cancelled", {order.lines[0].id: 4})

    def test_a_short_unit_is_written_off_and_refunded(self, run_reactions):
        order = order_in({"wh_1": 3})
        run_reactions()
        fulfillment = reach(fulfillments(order)[0], "started")
        pick(fulfillment, quantity=2)
        short(fulfillment)
        before = latest_number()
        item = order.lines[0].id
        services.write_off_short_units(fulfillment_id=fulfillment.id, units={item: 1})
        run_reactions()
        assert event_names(order, after=before) == [
            "fulfillment.units_short",
            "order.units_written_off",
            "refund.requested",
        ]
        assert (order_selectors.get(order.id).lines[0].cancelled, units(again(fulfillment))) == (
            1,
            {item: 2},
        )

    def test_a_unit_written_off_in_both_places_counts_once(self, run_reactions):
        order = order_in({"wh_1": 3})
        run_reactions()
        fulfillment = reach(fulfillments(order)[0], "started")
        pick(fulfillment, quantity=2)
        short(fulfillment)
        run_reactions()
        item = order.lines[0].id
        with as_rows():
            services.write_off_short_units(fulfillment_id=fulfillment.id, units={item: 1})
            write_off(order, 0, 1)
        run_reactions()
        assert order_selectors.get(order.id).lines[0].cancelled == 1
        assert units(again(fulfillment)) == {item: 2}

    def test_unusable_picked_units_count_as_put_back(self):
        fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "packed")
        short(fulfillment, quantity=2)
        line = again(fulfillment).lines[0]
        assert (line.picked_quantity, line.short_quantity) == (1, 2)
        with pytest.raises(TooManyFulfillmentUnits):
            short(fulfillment, quantity=2)

    def test_short_units_can_be_picked_later(self):
        fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
        short(fulfillment, quantity=2)
        pick(fulfillment, quantity=2)
        line = again(fulfillment).lines[0]
        assert (line.picked_quantity, line.short_quantity, line.unpicked_quantity) == (2, 1, 0)
        with pytest.raises(TooManyFulfillmentUnits, match="1 still to be picked"):
            pick(fulfillment, quantity=2)

    def test_only_short_units_can_be_written_off(self):
        fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
        short(fulfillment)
        item = fulfillment.lines[0].order_item_id
        with pytest.raises(TooManyFulfillmentUnits):
            services.write_off_short_units(fulfillment_id=fulfillment.id, units={item: 2})


class TestPacking:
    def test_the_total_weight_is_the_sum_of_the_packages(self):
        order = order_in({"wh_1": 3})
        fulfillment = reach(fulfillments(order)[0], "started")
        pick_all(fulfillment)
        packages = [{"weight": "2.5"}, {"weight": "0.125"}]
        services.pack_fulfillment(fulfillment_id=fulfillment.id, packages=packages)
        packed = event_data(order, "fulfillment.packed")
        assert (packed["package_count"], packed["total_weight"]) == (2, "2.625")

    def test_a_repeated_pack_changes_nothing(self):
        fulfillment = FulfillmentFactory(status="packed")
        before = latest_number()
        services.pack_fulfillment(fulfillment_id=fulfillment.id, packages=[PACKAGE])
        assert latest_number() == before
        with pytest.raises(InvalidTransition):
            services.pack_fulfillment(fulfillment_id=fulfillment.id, packages=[PACKAGE] * 2)

    def test_packing_needs_every_unit_picked_or_short(self):
        fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
        pick(fulfillment, quantity=2)
        with pytest.raises(InvalidTransition, match="picked or reported short"):
            services.pack_fulfillment(fulfillment_id=fulfillment.id, packages=[PACKAGE])
        short(fulfillment)
        services.pack_fulfillment(fulfillment_id=fulfillment.id, packages=[PACKAGE])

    def test_packing_needs_a_picked_unit(self):
        fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
        short(fulfillment, quantity=3)
        with pytest.raises(InvalidTransition, match="move or write off"):
            services.pack_fulfillment(fulfillment_id=fulfillment.id, packages=[PACKAGE])
