"""What Inventory reserves for an order, and what waits for it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from config.core import request_context
from events.aggregate import InvalidTransition
from orders import selectors
from orders.exceptions import (
    AllocatedTwice,
    AmbiguousVariant,
    OrderIsCancelled,
    OrderTooLarge,
    OtherReservation,
    PartialReservation,
    TooManyUnits,
    UnknownOrderItem,
)
from orders.models import Order, Policy
from orders.services import lifecycle, reservations
from tests.factories import LineFactory, OrderFactory, cancel, confirm, order_of, pay, write_off
from tests.log import event_data, event_names, latest_number

pytestmark = pytest.mark.django_db


class TestReservation:
    def reserve(self, order, *places, reservation_id="res_1"):
        allocations = [
            {"order_item_id": order.lines[line].id, "warehouse_id": warehouse, "quantity": count}
            for line, warehouse, count in places
        ]
        return reservations.reserve_stock(
            order_id=order.id, reservation_id=reservation_id, allocations=allocations
        )

    def test_items_come_from_allocated_warehouses_or_else_the_preferred_one(self):
        order = order_of(5, 1, status="placed")
        self.reserve(order, (0, "wh_1", 2), (0, "wh_2", 2))
        confirm(order)
        assert event_data(order, "order.confirmed")["items"] == [
            {"variant_id": "var_0", "quantity": 2, "warehouse_id": "wh_1"},
            {"variant_id": "var_0", "quantity": 2, "warehouse_id": "wh_2"},
            {"variant_id": "var_0", "quantity": 1, "warehouse_id": "wh_101"},
            {"variant_id": "var_1", "quantity": 1, "warehouse_id": "wh_101"},
        ]
        assert event_data(order, "order.confirmed")["reservation_id"] == "res_1"

    def test_a_later_reservation_replaces_the_earlier_one(self):
        order = order_of(2, status="confirmed")
        self.reserve(order, (0, "wh_1", 2))
        self.reserve(order, (0, "wh_2", 1), reservation_id="res_2")
        order = selectors.get(order.id)
        assert order.reservation_id == "res_2"
        assert order.lines[0].by_warehouse() == {"wh_2": 1, "wh_101": 1}

    def test_a_repeated_reservation_records_nothing(self):
        order = order_of(2, status="placed")
        self.reserve(order, (0, "wh_1", 2))
        before = latest_number()
        self.reserve(order, (0, "wh_1", 2))
        assert event_names(order, after=before) == []

    def test_too_many_units_or_an_unknown_item_are_refused(self):
        order = order_of(2, status="placed")
        with pytest.raises(TooManyUnits):
            self.reserve(order, (0, "wh_1", 1), (0, "wh_2", 2))
        foreign = {"order_item_id": "item_x", "warehouse_id": "wh_1", "quantity": 1}
        with pytest.raises(UnknownOrderItem):
            reservations.reserve_stock(order_id=order.id, reservation_id="r", allocations=[foreign])
        assert selectors.get(order.id).reservation_id is None

    def test_an_allocation_may_name_the_variant_of_a_line(self):
        order = order_of(2, 1, status="placed")
        allocations = [
            {"variant_id": "var_1", "warehouse_id": "wh_2", "quantity": 1},
            {"order_item_id": order.lines[0].id, "warehouse_id": "wh_1", "quantity": 2},
        ]
        reservations.reserve_stock(order_id=order.id, reservation_id="r", allocations=allocations)
        lines = selectors.get(order.id).lines
        assert [line.by_warehouse() for line in lines] == [{"wh_1": 2}, {"wh_2": 1}]

    def test_a_variant_must_be_that_of_one_line(self):
        order = OrderFactory(items=[LineFactory(variant_id="var_1") for _ in range(2)])
        allocation = {"variant_id": "var_1", "warehouse_id": "wh_1", "quantity": 2}
        with pytest.raises(AmbiguousVariant, match="2 lines of var_1: name one by order_item_id"):
            reservations.reserve_stock(
                order_id=order.id, reservation_id="r", allocations=[allocation]
            )
        other = {**allocation, "variant_id": "var_x"}
        with pytest.raises(UnknownOrderItem, match="no item of var_x"):
            reservations.reserve_stock(order_id=order.id, reservation_id="r", allocations=[other])

    def test_a_line_cannot_be_allocated_twice_to_one_warehouse(self):
        order = order_of(2, status="placed")
        by_variant = {"variant_id": "var_0", "warehouse_id": "wh_1", "quantity": 1}
        by_line = {"order_item_id": order.lines[0].id, "warehouse_id": "wh_1", "quantity": 1}
        with pytest.raises(AllocatedTwice):
            reservations.reserve_stock(
                order_id=order.id, reservation_id="r", allocations=[by_variant, by_line]
            )

    def test_only_the_reservation_that_the_order_holds_can_be_rejected(self):
        order = order_of(2, status="placed")
        self.reserve(order, (0, "wh_1", 2), reservation_id="res_0")
        self.reserve(order, (0, "wh_2", 2), reservation_id="res_1")
        with pytest.raises(OtherReservation, match="holds the reservation res_1, not res_0"):
            reservations.reject_reservation(order_id=order.id, reservation_id="res_0")
        with pytest.raises(OtherReservation, match="reservation_id is required"):
            reservations.reject_reservation(order_id=order.id)
        rejected = reservations.reject_reservation(order_id=order.id, reservation_id="res_1")
        assert rejected.cancellation_reason == "out_of_stock"

    def test_a_late_repeat_of_a_replaced_reservation_is_refused(self):
        order = order_of(2, status="placed")
        self.reserve(order, (0, "wh_1", 2), reservation_id="res_0")
        self.reserve(order, (0, "wh_2", 2), reservation_id="res_1")
        with pytest.raises(OtherReservation, match="res_0 was replaced by res_1"):
            self.reserve(order, (0, "wh_1", 2), reservation_id="res_0")
        order = selectors.get(order.id)
        assert (order.reservation_id, order.lines[0].by_warehouse()) == ("res_1", {"wh_2": 2})

    def test_a_rejection_may_name_a_reservation_that_was_never_made(self):
        order = reservations.reject_reservation(order_id=OrderFactory().id, reservation_id="res_0")
        assert order.is_cancelled()

    def test_a_cancelled_order_refuses_inventory(self):
        order = OrderFactory(status="cancelled")
        with pytest.raises(OrderIsCancelled):
            self.reserve(order, (0, "wh_1", 2))
        with pytest.raises(OrderIsCancelled):
            reservations.reject_reservation(order_id=order.id)

    def test_a_rejection_cancels_the_order_once(self):
        order = OrderFactory()
        for _ in range(2):
            reservations.reject_reservation(order_id=order.id, note="sold out")
        assert event_names(order).count("order.cancelled") == 1
        assert event_data(order, "order.cancelled")["cancellation_reason"] == "out_of_stock"
        with pytest.raises(InvalidTransition, match="it is pending"):
            reservations.reject_reservation(order_id=OrderFactory(status="pending").id)

    def test_the_largest_accepted_order_can_be_confirmed_and_cancelled(self):
        """All ids have their maximum length, and each unit comes from another warehouse."""
        order = OrderFactory(
            items=[LineFactory(variant_id=f"{n:0>64}", quantity=2) for n in range(300)]
        )
        places = [(n, f"{w:0>64}", 1) for n in range(300) for w in range(2)]
        self.reserve(order, *places)
        confirm(order)
        cancel(order)
        assert len(event_data(order, "order.cancelled")["stock_to_release"]) == 600

    def test_an_order_whose_events_would_be_too_large_is_refused(self):
        items = [LineFactory(variant_id=f"{n:0>64}", quantity=3) for n in range(350)]
        order = OrderFactory(items=items)
        with pytest.raises(OrderTooLarge, match="1050 combinations"):
            self.reserve(order, *[(n, f"{w:0>64}", 1) for n in range(350) for w in range(2)])
        emoji = [LineFactory(variant_id=chr(0x1F600) * 64) for _ in range(500)]
        with pytest.raises(OrderTooLarge):
            OrderFactory(items=emoji)


class TestConfirmingOnlyWhatIsReserved:
    """The policy `reservation` is `required`: a paid order waits for Inventory's answer."""

    @pytest.fixture(autouse=True)
    def policy(self):
        return Policy.objects.create(organization_id="org_1", reservation="required")

    def reserve(self, order):
        allocations = [
            {"order_item_id": line.id, "warehouse_id": "wh_1", "quantity": line.quantity}
            for line in order.lines
        ]
        reservations.reserve_stock(
            order_id=order.id, reservation_id="res_1", allocations=allocations
        )

    def test_a_paid_order_waits_for_its_reservation(self, run_reactions):
        order = OrderFactory()
        pay(order)
        run_reactions()
        order = selectors.get(order.id)
        assert (order.status, selectors.payment_status(order)) == ("paid", "paid")
        assert event_names(order)[-1] == "order.paid"
        self.reserve(order)
        run_reactions()
        order = selectors.get(order.id)
        assert order.status == "confirmed"
        confirmed = event_data(order, "order.confirmed")
        assert confirmed["payment_id"] == order.payment_id
        assert confirmed["reservation_id"] == "res_1"
        assert confirmed["items"][0]["warehouse_id"] == "wh_1"
        names = event_names(order)
        after = names[names.index("order.reserved") :]
        assert after[:3] == ["order.reserved", "order.confirmed", "fulfillment.opened"]

    def test_a_second_payment_does_not_confirm_an_order_that_waits(self, policy):
        order = OrderFactory()
        first = pay(order)
        policy.reservation = "optional"
        policy.save()
        lifecycle.confirm_order(order_id=order.id, payment_id="pay_second")
        waiting = selectors.get(order.id)
        assert (waiting.status, waiting.payment_id) == ("paid", first.id)
        self.reserve(order)
        assert event_data(order, "order.confirmed")["payment_id"] == first.id

    def test_an_order_that_is_reserved_first_is_confirmed_by_its_payment(self, run_reactions):
        order = OrderFactory()
        self.reserve(order)
        pay(order)
        run_reactions()
        assert selectors.get(order.id).status == "confirmed"
        assert "order.paid" not in event_names(order)

    @pytest.mark.parametrize("status", ["placed", "paid"])
    def test_a_partial_reservation_is_refused(self, status):
        order = order_of(2, 1, status=status)
        allocations = [{"variant_id": "var_0", "warehouse_id": "wh_1", "quantity": 2}]
        with pytest.raises(PartialReservation, match=f"1 units of {order.id} are not reserved"):
            reservations.reserve_stock(
                order_id=order.id, reservation_id="r", allocations=allocations
            )
        order = selectors.get(order.id)
        assert (order.status, order.reservation_id) == (status, None)

    def test_written_off_units_need_no_reservation(self):
        order = order_of(2, 1, status="placed")
        self.reserve(order)
        pay(order)
        write_off(order, 1, 1)
        allocations = [{"variant_id": "var_0", "warehouse_id": "wh_1", "quantity": 2}]
        reservations.reserve_stock(order_id=order.id, reservation_id="r", allocations=allocations)
        assert selectors.get(order.id).reservation_id == "r"

    @pytest.mark.parametrize("rule", ["required", "backorder"])
    def test_a_partial_reservation_from_before_the_policy_does_not_confirm_the_order(
        self, rule, policy
    ):
        policy.reservation = "optional"
        policy.save()
        order = order_of(2, 1, status="placed")
        allocations = [{"variant_id": "var_0", "warehouse_id": "wh_1", "quantity": 2}]
        reservations.reserve_stock(order_id=order.id, reservation_id="r", allocations=allocations)
        policy.reservation = rule
        policy.save()
        pay(order)
        assert selectors.get(order.id).status == "paid"
        self.reserve(order)
        assert selectors.get(order.id).status == "confirmed"

    def test_a_repeated_answer_confirms_under_a_policy_that_accepts_it(self, policy):
        policy.reservation = "optional"
        policy.save()
        order = order_of(3, status="placed")
        places = [{"variant_id": "var_0", "warehouse_id": "wh_1", "quantity": 2}]
        answer = {"order_id": order.id, "reservation_id": "res_1", "allocations": places}
        reservations.reserve_stock(**answer)
        policy.reservation = "backorder"
        policy.save()
        pay(order)
        assert selectors.get(order.id).status == "paid"
        reservations.reserve_stock(**answer)
        order = selectors.get(order.id)
        assert (order.status, order.lines[0].backordered) == ("confirmed", 1)

    def test_a_free_order_waits_too(self, run_reactions):
        order = OrderFactory(discount={"amount": Decimal(50)})
        assert order.status == "paid"
        assert event_data(order, "order.paid")["payment_id"] is None
        self.reserve(order)
        run_reactions()
        assert selectors.get(order.id).status == "confirmed"

    def test_it_does_not_expire(self):
        order = OrderFactory(discount={"amount": Decimal(50)})
        after = order.reservation_expires_at + timedelta(days=1)
        assert lifecycle.expire_unpaid_orders(now=after) == 0

    def test_it_is_cancelled_and_refunded_if_inventory_rejects_it(self, run_reactions):
        order = OrderFactory(status="paid")
        reservations.reject_reservation(order_id=order.id)
        run_reactions()
        assert event_data(order, "order.cancelled")["refund_required"]
        assert event_data(order, "refund.requested")["amount"] == "50.00"

    def hold(self, order):
        due = Order.objects.get(pk=order.id).reservation_due_at
        assert lifecycle.hold_unreserved_orders(now=due - timedelta(seconds=1)) == 0
        assert lifecycle.hold_unreserved_orders(now=due) == 1
        assert lifecycle.hold_unreserved_orders(now=due) == 0
        held = Order.objects.get(pk=order.id)
        assert (held.status, held.hold_reason) == ("paid", "reservation")

    def test_without_an_answer_it_is_held_for_an_operator(self):
        order = OrderFactory(status="paid")
        waits = order.reservation_due_at - timezone.now()
        assert timedelta(minutes=59) < waits <= timedelta(minutes=60)
        self.hold(order)
        assert list(Order.objects.filter(selectors.ON_HOLD)) == [order]

    def test_an_organization_can_set_its_own_timeout(self, policy):
        policy.reservation_timeout_minutes = 5
        policy.save()
        waits = OrderFactory(status="paid").reservation_due_at - timezone.now()
        assert timedelta(minutes=4) < waits <= timedelta(minutes=5)

    def test_a_late_answer_releases_and_confirms_it(self, run_reactions):
        order = OrderFactory(status="paid")
        self.hold(order)
        self.reserve(order)
        run_reactions()
        order = selectors.get(order.id)
        assert (order.status, order.held_at) == ("confirmed", None)

    def test_an_operator_can_confirm_it_without_a_reservation(self, run_reactions):
        order = OrderFactory(status="paid")
        self.hold(order)
        with request_context.use(actor="olga"):
            lifecycle.release_order(order_id=order.id)
        assert event_data(order, "order.released")["released_by"] == "olga"
        assert event_data(order, "order.confirmed")["reservation_id"] is None
        run_reactions()
        assert "fulfillment.opened" in event_names(order)

    def test_a_hold_of_an_operator_does_not_end_with_the_answer(self, run_reactions):
        order = OrderFactory(status="paid")
        with request_context.use(actor="olga"):
            lifecycle.hold_order(order_id=order.id, reason="fraud")
        assert lifecycle.hold_unreserved_orders(now=order.reservation_due_at) == 0
        self.reserve(order)
        run_reactions()
        order = selectors.get(order.id)
        assert (order.status, order.hold_reason) == ("confirmed", "fraud")

    def test_releasing_the_hold_of_an_operator_does_not_confirm_it(self):
        order = OrderFactory(status="paid")
        with request_context.use(actor="olga"):
            lifecycle.hold_order(order_id=order.id, reason="reservation")
        lifecycle.release_order(order_id=order.id)
        assert selectors.get(order.id).status == "paid"
        self.hold(order)
