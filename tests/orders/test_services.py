"""What the lifecycle's table does not show: what is told, repeats and refusals."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from config.core import request_context
from events.aggregate import InvalidTransition
from orders import selectors, services
from orders.exceptions import (
    NoItems,
    NotFullyPaid,
    OrderIsCancelled,
    OrderTooLarge,
    TooManyUnits,
    UnknownOrderItem,
)
from orders.models import Order, Policy
from tests.factories import (
    LineFactory,
    OrderFactory,
    cancel,
    confirm,
    order_of,
    ship,
    write_off,
)
from tests.facts import data, mark, told

pytestmark = pytest.mark.django_db


class TestPlacing:
    def test_an_order_has_items(self):
        with pytest.raises(NoItems):
            OrderFactory(items=[])

    def test_placing_says_what_to_reserve_and_for_how_long(self):
        order = OrderFactory(local_id="local_101")
        (line,) = order.lines
        assert data(order, "order.placed") == {
            "order_id": order.id,
            "customer_id": "cust_789",
            "local_id": "local_101",
            "items": [
                {
                    "variant_id": line.variant_id,
                    "quantity": 2,
                    "preferred_warehouse_id": "wh_101",
                }
            ],
            "reservation_ttl_minutes": 15,
        }

    def test_an_organization_sets_its_own_reservation_time(self):
        Policy.objects.create(organization_id="org_1", reservation_ttl_minutes=3)
        order = OrderFactory()
        assert data(order, "order.placed")["reservation_ttl_minutes"] == 3
        assert order.reservation_expires_at - order.placed_at == timedelta(minutes=3)

    def test_an_order_without_an_address_is_placed_only_in_a_shop(self):
        with pytest.raises(InvalidTransition, match="a shipping address"):
            OrderFactory(shipping_address=None)
        assert OrderFactory(shipping_address=None, local_id="local_101").status == "placed"

    def test_an_order_that_costs_nothing_is_confirmed_at_once(self):
        order = OrderFactory(discount={"amount": Decimal(50)})
        assert order.status == "confirmed"
        assert told(order) == ["order.created", "order.placed", "order.confirmed"]
        assert data(order, "order.confirmed")["payment_id"] is None

    def test_numbers_ascend_within_the_organization(self):
        numbers = [OrderFactory(organization_id=o).number for o in ("org_1", "org_2", "org_1")]
        year = timezone.now().year
        assert numbers == [f"ORD-{year}-0001", f"ORD-{year}-0001", f"ORD-{year}-0002"]


class TestReservation:
    def reserve(self, order, *places, reservation_id="res_1"):
        allocations = [
            {"order_item_id": order.lines[line].id, "warehouse_id": warehouse, "quantity": count}
            for line, warehouse, count in places
        ]
        return services.reserve_stock(
            order_id=order.id, reservation_id=reservation_id, allocations=allocations
        )

    def test_confirmation_names_the_allocated_warehouses_else_the_preferred_one(self):
        order = order_of(5, 1, status="placed")
        self.reserve(order, (0, "wh_1", 2), (0, "wh_2", 2))
        confirm(order)
        assert data(order, "order.confirmed")["items"] == [
            {"variant_id": "var_0", "quantity": 2, "warehouse_id": "wh_1"},
            {"variant_id": "var_0", "quantity": 2, "warehouse_id": "wh_2"},
            {"variant_id": "var_0", "quantity": 1, "warehouse_id": "wh_101"},
            {"variant_id": "var_1", "quantity": 1, "warehouse_id": "wh_101"},
        ]
        assert data(order, "order.confirmed")["reservation_id"] == "res_1"

    def test_a_later_reservation_replaces_the_earlier_one(self):
        order = order_of(2, status="confirmed")
        self.reserve(order, (0, "wh_1", 2))
        self.reserve(order, (0, "wh_2", 1), reservation_id="res_2")
        order = selectors.get(order.id)
        assert order.reservation_id == "res_2"
        assert order.lines[0].by_warehouse() == {"wh_2": 1, "wh_101": 1}

    def test_the_same_reservation_again_records_nothing(self):
        order = order_of(2, status="placed")
        self.reserve(order, (0, "wh_1", 2))
        before = mark()
        self.reserve(order, (0, "wh_1", 2))
        assert told(order, after=before) == []

    def test_more_than_was_bought_or_a_foreign_line_is_refused(self):
        order = order_of(2, status="placed")
        with pytest.raises(TooManyUnits):
            self.reserve(order, (0, "wh_1", 1), (0, "wh_2", 2))
        foreign = {"order_item_id": "item_x", "warehouse_id": "wh_1", "quantity": 1}
        with pytest.raises(UnknownOrderItem):
            services.reserve_stock(order_id=order.id, reservation_id="r", allocations=[foreign])
        assert selectors.get(order.id).reservation_id is None

    def test_a_cancelled_order_tells_inventory_to_release(self):
        order = OrderFactory(status="cancelled")
        with pytest.raises(OrderIsCancelled):
            self.reserve(order, (0, "wh_1", 2))
        with pytest.raises(OrderIsCancelled):
            services.reject_reservation(order_id=order.id)

    def test_a_rejection_cancels_the_order_once(self):
        order = OrderFactory()
        for _ in range(2):
            services.reject_reservation(order_id=order.id, note="sold out")
        assert told(order).count("order.cancelled") == 1
        assert data(order, "order.cancelled")["cancellation_reason"] == "out_of_stock"
        with pytest.raises(InvalidTransition, match="it is pending"):
            services.reject_reservation(order_id=OrderFactory(status="pending").id)

    def test_the_largest_order_that_is_accepted_can_be_confirmed_and_cancelled(self):
        """Ids as long as they may be, each unit of a line from another warehouse."""
        order = OrderFactory(
            items=[LineFactory(variant_id=f"{n:0>64}", quantity=2) for n in range(300)]
        )
        places = [(n, f"{w:0>64}", 1) for n in range(300) for w in range(2)]
        self.reserve(order, *places)
        confirm(order)
        cancel(order)
        assert len(data(order, "order.cancelled")["stock_to_release"]) == 600

    def test_an_order_that_is_too_large_to_be_told_is_refused_at_once(self):
        items = [LineFactory(variant_id=f"{n:0>64}", quantity=3) for n in range(350)]
        order = OrderFactory(items=items)
        with pytest.raises(OrderTooLarge, match="1050 combinations"):
            self.reserve(order, *[(n, f"{w:0>64}", 1) for n in range(350) for w in range(2)])
        emoji = [LineFactory(variant_id=chr(0x1F600) * 64) for _ in range(500)]
        with pytest.raises(OrderTooLarge):
            OrderFactory(items=emoji)


class TestConfirming:
    def test_an_order_is_confirmed_when_all_of_its_money_is_there(self):
        order = OrderFactory()
        with pytest.raises(NotFullyPaid, match=r"Only 0\.00 of 50\.00 USD is captured"):
            services.confirm_order(order_id=order.id, payment_id="pay_1")
        confirm(order)
        assert data(order, "order.confirmed")["payment_id"].startswith("pay_")

    def test_another_payment_does_not_confirm_it_again(self):
        order = OrderFactory(status="confirmed")
        with pytest.raises(InvalidTransition):
            services.confirm_order(order_id=order.id, payment_id="pay_2")


class TestCancelling:
    def test_stock_is_released_where_it_was_taken_and_who_did_it_is_named(self):
        order = order_of(2, 1, status="confirmed")
        with request_context.use(actor="user_789"):
            cancel(order)
        assert data(order, "order.cancelled") == {
            "order_id": order.id,
            "reservation_id": None,
            "cancellation_reason": "customer_request",
            "cancelled_by": "user_789",
            "refund_required": True,
            "stock_to_release": [
                {"variant_id": "var_0", "quantity": 2, "warehouse_id": "wh_101"},
                {"variant_id": "var_1", "quantity": 1, "warehouse_id": "wh_101"},
            ],
        }

    def test_an_order_that_was_never_placed_has_nothing_to_release(self):
        order = OrderFactory(status="cancelled")
        told_ = data(order, "order.cancelled")
        assert (told_["stock_to_release"], told_["refund_required"]) == ([], False)

    def test_units_written_off_are_not_released_again(self):
        order = order_of(2, 1, status="confirmed")
        write_off(order, 0, 1)
        cancel(order)
        released = data(order, "order.cancelled")["stock_to_release"]
        assert [item["quantity"] for item in released] == [1, 1]

    def test_another_reason_is_another_command(self):
        order = OrderFactory(status="cancelled")
        with pytest.raises(InvalidTransition):
            cancel(order, reason="fraud")

    def test_after_the_first_dispatch_units_are_written_off_instead(self):
        order = order_of(2)
        ship(order, units={order.lines[0].id: 1})
        services.reopen_units(order_id=order.id, shipment_id="ship_1")
        with pytest.raises(InvalidTransition, match="no unit has been shipped"):
            cancel(order)


class TestHolding:
    def test_an_order_is_held_by_whoever_holds_it(self):
        order = OrderFactory(status="confirmed")
        with request_context.use(actor="user_1"):
            services.hold_order(order_id=order.id, reason="fraud", note="odd address")
        order.refresh_from_db()
        assert (order.status, order.held_by, order.hold_note) == (
            "confirmed",
            "user_1",
            "odd address",
        )
        assert services.release_order(order_id=order.id).held_at is None

    def test_the_same_hold_again_records_nothing_and_another_is_refused(self):
        order = OrderFactory()
        services.hold_order(order_id=order.id, reason="fraud")
        before = mark()
        services.hold_order(order_id=order.id, reason="fraud")
        with pytest.raises(InvalidTransition):
            services.hold_order(order_id=order.id, reason="address")
        assert told(order, after=before) == []


class TestExpiry:
    def test_an_order_that_fails_does_not_keep_the_others_waiting(self, monkeypatch, caplog):
        broken, order = OrderFactory(organization_id="org_2"), OrderFactory()
        cancel_ = Order.cancel

        def fail(self, **kwargs):
            assert self.id != broken.id, "broken"
            cancel_(self, **kwargs)

        monkeypatch.setattr(Order, "cancel", fail)
        assert services.expire_unpaid_orders(now=order.reservation_expires_at) == 1
        assert broken.id in caplog.text
        assert told(order)[-1] == "order.cancelled"

    def test_unpaid_orders_are_cancelled_when_their_reservation_has_expired(self):
        expired, paid = OrderFactory(), OrderFactory(status="confirmed")
        other = OrderFactory(organization_id="org_2")
        now = expired.reservation_expires_at
        early = now - timedelta(seconds=1)
        assert services.expire_unpaid_orders(now=early, organization_id="org_1") == 0
        assert services.expire_unpaid_orders(now=now, organization_id="org_1") == 1
        assert services.expire_unpaid_orders(now=now, organization_id="org_1") == 0
        assert data(expired, "order.cancelled")["cancellation_reason"] == "reservation_expired"
        assert data(expired, "order.cancelled")["cancelled_by"] == "system"
        statuses = Order.objects.filter(pk__in=[paid.id, other.id]).values_list("status", flat=True)
        assert set(statuses) == {"confirmed", "placed"}
