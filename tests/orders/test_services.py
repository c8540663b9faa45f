"""What the services of orders do beyond the table of the lifecycle."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from config.core import request_context
from config.core.exceptions import AddressRequired
from events.aggregate import InvalidTransition
from events.models import EventRecord
from orders import selectors
from orders.exceptions import (
    NoItems,
    NotFullyPaid,
    TooManyUnits,
    UnknownShipment,
)
from orders.models import Order, OrderItem, Policy
from orders.services import goods
from orders.services import lifecycle as order_lifecycle
from tests.factories import (
    LineFactory,
    OrderFactory,
    cancel,
    confirm,
    deliver,
    order_of,
    ship,
    write_off,
)
from tests.log import event_data, event_names, latest_number

pytestmark = pytest.mark.django_db


def reopen(order, quantity):
    units = {order.lines[0].id: quantity}
    return goods.reopen_units(
        order_id=order.id, shipment_id="ship_1", units=units, warehouse_id="wh_1"
    )


class TestPlacing:
    def test_an_order_needs_items(self):
        with pytest.raises(NoItems):
            OrderFactory(items=[])

    def test_the_event_names_the_items_to_reserve_and_the_time_to_pay(self):
        order = OrderFactory(local_id="local_101")
        (line,) = order.lines
        assert event_data(order, "order.placed") == {
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

    def test_an_organization_can_set_its_own_reservation_time(self):
        Policy.objects.create(organization_id="org_1", reservation_ttl_minutes=3)
        order = OrderFactory()
        assert event_data(order, "order.placed")["reservation_ttl_minutes"] == 3
        assert order.reservation_expires_at - order.placed_at == timedelta(minutes=3)

    def test_an_order_that_is_paid_by_bank_transfer_waits_for_days(self):
        order = OrderFactory(payment_method="manual")
        assert event_data(order, "order.placed")["reservation_ttl_minutes"] == 7 * 24 * 60
        almost = order.placed_at + timedelta(days=7, seconds=-1)
        assert order_lifecycle.expire_unpaid_orders(now=almost) == 0
        assert order_lifecycle.expire_unpaid_orders(now=order.placed_at + timedelta(days=7)) == 1

    def test_the_payment_method_can_be_chosen_until_the_order_is_placed(self):
        order = OrderFactory(status="pending", payment_method="stripe")
        order = order_lifecycle.place_order(order_id=order.id, payment_method="manual")
        assert order.payment_method == "manual"
        assert event_data(order, "order.placed")["reservation_ttl_minutes"] == 7 * 24 * 60
        order = order_lifecycle.place_order(order_id=order.id, payment_method="stripe")
        assert order.payment_method == "manual", "Inventory has the days of a transfer"

    def test_an_order_needs_an_address_unless_it_is_collected_in_a_shop(self):
        with pytest.raises(AddressRequired, match="shipping_address is required"):
            OrderFactory(shipping_address=None)
        assert OrderFactory(shipping_address=None, local_id="local_101").status == "placed"

    def test_a_free_order_is_confirmed_immediately(self):
        order = OrderFactory(discount={"amount": Decimal(50)})
        assert order.status == "confirmed"
        assert event_names(order)[:3] == ["order.created", "order.placed", "order.confirmed"]
        assert event_data(order, "order.confirmed")["payment_id"] is None

    def test_numbers_ascend_within_an_organization(self):
        numbers = [OrderFactory(organization_id=o).number for o in ("org_1", "org_2", "org_1")]
        year = timezone.now().year
        assert numbers == [f"ORD-{year}-0001", f"ORD-{year}-0001", f"ORD-{year}-0002"]


class TestConfirming:
    def test_an_order_is_confirmed_when_it_is_fully_paid(self):
        order = OrderFactory()
        captured = r"Only 0\.00 of 50\.00 USD is captured"
        with pytest.raises(NotFullyPaid, match=captured), transaction.atomic():
            order_lifecycle.confirm_order(order_id=order.id, payment_id="pay_1")
        confirm(order)
        assert event_data(order, "order.confirmed")["payment_id"].startswith("pay_")

    def test_a_second_payment_does_not_confirm_it_again(self):
        order = OrderFactory(status="confirmed")
        with pytest.raises(InvalidTransition):
            order_lifecycle.confirm_order(order_id=order.id, payment_id="pay_2")


class TestCancelling:
    def test_the_event_names_the_actor_and_the_stock_to_release(self):
        order = order_of(2, 1, status="confirmed")
        with request_context.use(actor="user_789"):
            cancel(order)
        assert event_data(order, "order.cancelled") == {
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

    def test_an_order_that_was_never_placed_releases_no_stock(self):
        order = OrderFactory(status="cancelled")
        told_ = event_data(order, "order.cancelled")
        assert (told_["stock_to_release"], told_["refund_required"]) == ([], False)

    @pytest.mark.parametrize(
        ("queues", "remaining"),
        [({}, [2, 1]), ({"inventory_order_consumer": ["order.units_written_off"]}, [1, 1])],
    )
    def test_written_off_units_are_released_once(self, settings, queues, remaining):
        """With the order, unless their own event has released them."""
        settings.EVENTS_CONSUMER_QUEUES = queues
        order = order_of(2, 1, status="confirmed")
        write_off(order, 0, 1)
        cancel(order)
        released = event_data(order, "order.cancelled")["stock_to_release"]
        assert [item["quantity"] for item in released] == remaining

    def test_units_that_an_operator_released_are_not_released_again(self):
        order = order_of(2, 1, status="confirmed")
        write_off(order, 0, 1)
        goods.release_written_off_units(order_id=order.id)
        cancel(order)
        released = event_data(order, "order.cancelled")["stock_to_release"]
        assert [item["quantity"] for item in released] == [1, 1]

    def test_a_cancelled_order_cannot_be_cancelled_for_another_reason(self):
        order = OrderFactory(status="cancelled")
        with pytest.raises(InvalidTransition):
            cancel(order, reason="fraud")

    def test_an_order_cannot_be_cancelled_after_its_first_shipment(self):
        order = order_of(2)
        ship(order, units={order.lines[0].id: 1})
        reopen(order, 1)
        with pytest.raises(InvalidTransition, match="no unit has been shipped"):
            cancel(order)


class TestHolding:
    def test_the_actor_holds_the_order(self):
        order = OrderFactory(status="confirmed")
        with request_context.use(actor="user_1"):
            order_lifecycle.hold_order(order_id=order.id, reason="fraud", note="odd address")
        order.refresh_from_db()
        assert (order.status, order.held_by, order.hold_note) == (
            "confirmed",
            "user_1",
            "odd address",
        )
        assert order_lifecycle.release_order(order_id=order.id).held_at is None

    def test_a_repeated_hold_records_nothing_and_another_is_refused(self):
        order = OrderFactory()
        order_lifecycle.hold_order(order_id=order.id, reason="fraud")
        before = latest_number()
        order_lifecycle.hold_order(order_id=order.id, reason="fraud")
        with pytest.raises(InvalidTransition):
            order_lifecycle.hold_order(order_id=order.id, reason="address")
        assert event_names(order, after=before) == []


class TestExpiry:
    def test_a_failing_order_does_not_stop_the_others(self, monkeypatch, caplog):
        broken, order = OrderFactory(organization_id="org_2"), OrderFactory()
        cancel_ = Order.cancel

        def fail(self, **kwargs):
            assert self.id != broken.id, "broken"
            cancel_(self, **kwargs)

        monkeypatch.setattr(Order, "cancel", fail)
        assert order_lifecycle.expire_unpaid_orders(now=order.reservation_expires_at) == 1
        assert broken.id in caplog.text
        assert event_names(order)[-1] == "order.cancelled"

    def test_unpaid_orders_are_cancelled_when_their_reservation_expires(self):
        expired, paid = OrderFactory(), OrderFactory(status="confirmed")
        other = OrderFactory(organization_id="org_2")
        now = expired.reservation_expires_at
        early = now - timedelta(seconds=1)
        assert order_lifecycle.expire_unpaid_orders(now=early, organization_id="org_1") == 0
        assert order_lifecycle.expire_unpaid_orders(now=now, organization_id="org_1") == 1
        assert order_lifecycle.expire_unpaid_orders(now=now, organization_id="org_1") == 0
        assert (
            event_data(expired, "order.cancelled")["cancellation_reason"] == "reservation_expired"
        )
        assert event_data(expired, "order.cancelled")["cancelled_by"] == "system"
        statuses = Order.objects.filter(pk__in=[paid.id, other.id]).values_list("status", flat=True)
        assert set(statuses) == {"confirmed", "placed"}

    def test_an_order_that_is_not_placed_in_time_is_cancelled(self, settings):
        settings.PENDING_ORDER_DAYS = 3
        pending, placed = OrderFactory(status="pending"), OrderFactory()
        now = pending.created_at + timedelta(days=3)
        assert order_lifecycle.expire_pending_orders(now=now - timedelta(seconds=1)) == 0
        assert order_lifecycle.expire_pending_orders(now=now) == 1
        assert order_lifecycle.expire_pending_orders(now=now) == 0
        cancelled = event_data(pending, "order.cancelled")
        assert (cancelled["cancellation_reason"], cancelled["cancelled_by"]) == ("other", "system")
        assert cancelled["stock_to_release"] == []
        assert Order.objects.get(pk=pending.id).cancellation_note == "It was not placed in time."
        assert Order.objects.get(pk=placed.id).status == "placed"

    def test_an_organization_has_its_own_number_of_days(self):
        Policy.objects.create(organization_id="org_2", pending_order_days=2)
        first, second = (
            OrderFactory(status="pending"),
            OrderFactory(status="pending", organization_id="org_2"),
        )
        now = second.created_at + timedelta(days=2)
        assert order_lifecycle.expire_pending_orders(now=now) == 1
        assert event_names(second)[-1] == "order.cancelled"
        assert order_lifecycle.expire_pending_orders(now=first.created_at + timedelta(days=30)) == 1


class TestAmounts:
    def test_totals_are_the_sums_of_the_lines(self):
        items = [
            LineFactory(quantity=3, unit_price=Decimal("25.00"), tax_rate=Decimal("0.19")),
            LineFactory(quantity=1, unit_price=Decimal("5.10"), tax_rate=Decimal("0.07")),
        ]
        order = OrderFactory(
            items=items,
            discount={"amount": Decimal("3.33")},
            shipping={"cost": Decimal("5.00"), "tax_rate": Decimal("0.19")},
        )
        shirt, mug = order.lines
        assert (shirt.subtotal, shirt.discount, shirt.tax) == (
            75,
            Decimal("3.12"),
            Decimal("13.66"),
        )
        assert (mug.subtotal, mug.discount, mug.tax) == (
            Decimal("5.10"),
            Decimal("0.21"),
            Decimal("0.34"),
        )
        assert order.subtotal == Decimal("80.10")
        assert order.tax == shirt.tax + mug.tax + Decimal("0.95")
        assert order.total == shirt.total + mug.total + Decimal("5.95")
        assert event_data(order, "order.created")["total_amount"] == f"{order.total:.2f}"

    def test_amounts_have_the_decimals_of_their_currency(self):
        order = OrderFactory(
            currency="JPY", items=[LineFactory(unit_price=Decimal(1299), tax_rate=Decimal("0.1"))]
        )
        assert order.total == 2858
        body = EventRecord.objects.get(stream=order.id, name="order.created").body
        assert '"total_amount":2858,' in body

    def test_the_database_refuses_wrong_totals_and_quantities(self):
        order = OrderFactory(status="delivered")
        lines = OrderItem.objects.filter(order=order)
        too_many = ({"returned": 3}, {"shipped": 3}, {"cancelled": 1})
        for wrong in (*too_many, {"total": 1}, {"subtotal": 1}, {"line_discount": 1}):
            with pytest.raises(IntegrityError), transaction.atomic():
                lines.update(**wrong)
        order.total += 1
        with pytest.raises(IntegrityError), transaction.atomic():
            order.save()


class TestShipping:
    def test_each_shipment_publishes_its_own_units(self):
        order = order_of(2, 1)
        ship(order, "ship_1", units={order.lines[0].id: 1}, estimated_delivery=None)
        assert event_data(order, "order.shipped")["shipped_items"] == [
            {"variant_id": "var_0", "quantity": 1, "warehouse_id": "wh_101"}
        ]
        assert selectors.get(order.id).status == "processing"
        assert ship(order, "ship_2").status == "shipped"
        shipped = event_data(order, "order.shipped")["shipped_items"]
        assert [(i["variant_id"], i["quantity"]) for i in shipped] == [("var_0", 1), ("var_1", 1)]

    def test_shipping_too_many_units_is_refused(self):
        order = order_of(2)
        with pytest.raises(TooManyUnits):
            ship(order, units={order.lines[0].id: 3})

    def test_the_last_delivery_completes_the_order_with_the_latest_proof(self):
        order, now = order_of(1, 1), timezone.now().replace(microsecond=0)
        ship(order, "ship_1", units={order.lines[0].id: 1})
        deliver(order, "ship_1", signature="Late", at=now)
        ship(order, "ship_2")
        assert event_names(order)[-2:] == ["order.part_delivered", "order.shipped"]
        order = deliver(order, "ship_2", signature="Early", at=now - timedelta(days=1))
        assert order.status == "delivered"
        delivered = event_data(order, "order.delivered")
        assert delivered["signature"] == "Late"
        assert delivered["delivered_at"] == f"{now:%Y-%m-%dT%H:%M:%SZ}"

    def test_units_of_a_lost_shipment_can_ship_again(self):
        order = OrderFactory(status="shipped")
        reopen(order, 1)
        reopen(order, 1)
        assert ship(order, "ship_2").status == "shipped"
        assert deliver(order, "ship_2").status == "delivered"
        assert event_names(order)[-4:] == [
            "order.units_reopened",
            "order.units_reopened",
            "order.shipped",
            "order.delivered",
        ]

    def test_units_of_a_delivered_shipment_are_not_reopened(self):
        with pytest.raises(UnknownShipment, match="has been delivered"):
            reopen(OrderFactory(status="delivered"), 1)

    def test_units_of_a_lost_shipment_that_arrives_need_not_ship_again(self):
        order = OrderFactory(status="shipped")
        reopen(order, 2)
        assert deliver(order).status == "delivered"
        assert event_names(order)[-2:] == ["order.units_recovered", "order.delivered"]
        before = latest_number()
        deliver(order)
        assert event_names(order, after=before) == []

    def test_units_that_shipped_again_are_not_delivered_twice(self):
        order = OrderFactory(status="shipped")
        reopen(order, 2)
        ship(order, "ship_2", units={order.lines[0].id: 1})
        assert deliver(order).lines[0].delivered == 1
        assert deliver(order, "ship_2").status == "delivered"


class TestWritingOff:
    def test_the_event_has_the_amount_paid_for_the_units(self):
        """Three units cost 10.00: 3.34 for the first, 3.33 for each other. The last go first."""
        items = [LineFactory(quantity=3, unit_price=Decimal("3.34"))]
        order = OrderFactory(items=items, discount={"amount": Decimal("0.02")}, status="confirmed")
        amounts = []
        for _ in range(3):
            write_off(order, 0, 1)
            amounts.append(event_data(order, "order.units_written_off")["amount"])
        assert amounts == ["3.33", "3.33", "3.34"]

    @pytest.mark.parametrize(
        ("delivered", "status", "names"),
        [
            (False, "shipped", ["order.units_written_off"]),
            (True, "delivered", ["order.units_written_off", "order.delivered"]),
        ],
    )
    def test_writing_off_the_last_open_unit_finishes_the_order(self, delivered, status, names):
        order = order_of(2)
        ship(order, units={order.lines[0].id: 1})
        if delivered:
            deliver(order)
        before = latest_number()
        assert write_off(order, 0, 1).status == status
        recorded = event_names(order, after=before)
        assert [name for name in recorded if name.startswith("order.")] == names
        assert "refund.requested" in recorded

    def test_writing_off_every_unit_cancels_the_order(self):
        order = OrderFactory(status="shipped")
        reopen(order, 2)
        assert write_off(order, 0, 2, reason="other").status == "cancelled"
        cancelled = event_data(order, "order.cancelled")
        assert (cancelled["cancellation_reason"], cancelled["stock_to_release"]) == ("other", [])
        with pytest.raises(InvalidTransition, match="it is cancelled"):
            write_off(order, 0, 1)

    def test_written_off_units_are_listed_until_their_stock_is_released(self):
        order = order_of(3, status="confirmed")
        write_off(order, 0, 1)
        write_off(order, 0, 1)
        assert len(selectors.unreleased_write_offs(order)) == 2
        goods.release_written_off_units(order_id=order.id)
        assert event_data(order, "order.units_released")["items"] == [
            {
                "order_item_id": order.lines[0].id,
                "variant_id": "var_0",
                "quantity": 2,
                "warehouse_id": "wh_101",
            }
        ]
        assert selectors.unreleased_write_offs(order) == []

    def test_published_write_offs_need_no_release_by_hand(self, settings):
        settings.EVENTS_CONSUMER_QUEUES = {"inventory": ["order.units_written_off"]}
        order = order_of(3, status="confirmed")
        write_off(order, 0, 1)
        assert selectors.unreleased_write_offs(order) == []

    def test_shipped_units_cannot_be_written_off(self):
        order = order_of(2)
        ship(order, units={order.lines[0].id: 1})
        with pytest.raises(TooManyUnits):
            write_off(order, 0, 2)


class TestReturns:
    def test_no_more_units_are_returned_than_were_delivered(self):
        order = OrderFactory(status="delivered")
        one = {order.lines[0].id: 1}
        goods.record_returned_units(order_id=order.id, units=one)
        order = goods.record_returned_units(order_id=order.id, units=one)
        assert order.status == "delivered"
        with pytest.raises(TooManyUnits):
            goods.record_returned_units(order_id=order.id, units=one)
