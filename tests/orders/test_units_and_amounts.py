"""Units and money: no total that is not the sum of its lines, no unit counted twice."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from config.core.money import AmountTooLarge, InexactAmount
from events.models import EventRecord
from orders import selectors, services
from orders.exceptions import DiscountTooLarge, TooManyUnits, UnknownShipment
from orders.models import OrderItem
from tests.factories import LineFactory, OrderFactory, deliver, order_of, ship, write_off
from tests.facts import data, mark, told

pytestmark = pytest.mark.django_db


class TestAmounts:
    def test_every_total_is_the_sum_of_its_lines(self):
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
        assert (shirt.net, shirt.discount, shirt.tax) == (75, Decimal("3.12"), Decimal("13.66"))
        assert (mug.net, mug.discount, mug.tax) == (
            Decimal("5.10"),
            Decimal("0.21"),
            Decimal("0.34"),
        )
        assert order.subtotal == Decimal("80.10")
        assert order.tax == shirt.tax + mug.tax + Decimal("0.95")
        assert order.total == shirt.total + mug.total + Decimal("5.95")
        assert data(order, "order.created")["total_amount"] == f"{order.total:.2f}"

    def test_a_currency_without_decimals_has_none(self):
        order = OrderFactory(
            currency="JPY", items=[LineFactory(unit_price=Decimal(1299), tax_rate=Decimal("0.1"))]
        )
        assert order.total == 2858
        body = EventRecord.objects.get(stream=order.id, name="order.created").body
        assert '"total_amount":2858,' in body

    @pytest.mark.parametrize(
        ("fields", "refusal"),
        [
            ({"discount": {"amount": Decimal("50.01")}}, DiscountTooLarge),
            ({"discount": {"amount": Decimal("0.001")}}, InexactAmount),
            ({"shipping": {"cost": Decimal("0.001")}}, InexactAmount),
            ({"items": [LineFactory(unit_price=Decimal("0.001"))]}, InexactAmount),
            ({"items": [LineFactory(unit_price=Decimal(10) ** 11 - 1)]}, AmountTooLarge),
            ({"shipping": {"cost": Decimal(10) ** 11 - 1}}, AmountTooLarge),
            (
                {
                    "items": [LineFactory(quantity=1, unit_price=Decimal(10) ** 11 - 1)],
                    "shipping": {"cost": Decimal(9)},
                    "discount": {"amount": Decimal(99)},
                },
                AmountTooLarge,
            ),
        ],
    )
    def test_amounts_that_cannot_be_are_refused(self, fields, refusal):
        with pytest.raises(refusal):
            OrderFactory(**fields)

    def test_the_database_refuses_totals_and_units_that_do_not_add_up(self):
        order = OrderFactory(status="delivered")
        lines = OrderItem.objects.filter(order=order)
        for wrong in ({"returned": 3}, {"shipped": 3}, {"cancelled": 1}, {"total": 1}, {"net": 1}):
            with pytest.raises(IntegrityError), transaction.atomic():
                lines.update(**wrong)
        order.total += 1
        with pytest.raises(IntegrityError), transaction.atomic():
            order.save()


class TestShipping:
    def test_each_shipment_tells_its_own_units(self):
        order = order_of(2, 1)
        ship(order, "ship_1", units={order.lines[0].id: 1}, estimated_delivery=None)
        assert data(order, "order.shipped")["shipped_items"] == [
            {"variant_id": "var_0", "quantity": 1, "warehouse_id": "wh_101"}
        ]
        assert selectors.get(order.id).status == "processing"
        assert ship(order, "ship_2").status == "shipped"
        shipped = data(order, "order.shipped")["shipped_items"]
        assert [(i["variant_id"], i["quantity"]) for i in shipped] == [("var_0", 1), ("var_1", 1)]

    def test_more_than_is_open_is_refused(self):
        order = order_of(2)
        with pytest.raises(TooManyUnits):
            ship(order, units={order.lines[0].id: 3})

    def test_the_order_is_delivered_with_the_last_unit_and_the_latest_proof(self):
        order, now = order_of(1, 1), timezone.now().replace(microsecond=0)
        ship(order, "ship_1", units={order.lines[0].id: 1})
        deliver(order, "ship_1", signature="Late", at=now)
        ship(order, "ship_2")
        assert told(order)[-2:] == ["order.part_delivered", "order.shipped"]
        order = deliver(order, "ship_2", signature="Early", at=now - timedelta(days=1))
        assert order.status == "delivered"
        delivered = data(order, "order.delivered")
        assert delivered["signature"] == "Late"
        assert delivered["delivered_at"] == f"{now:%Y-%m-%dT%H:%M:%SZ}"

    def test_a_lost_shipment_is_sent_again(self):
        order = OrderFactory(status="shipped")
        services.reopen_units(order_id=order.id, shipment_id="ship_1")
        services.reopen_units(order_id=order.id, shipment_id="ship_1")
        with pytest.raises(UnknownShipment):
            deliver(order, "ship_1")
        assert ship(order, "ship_2").status == "shipped"
        assert deliver(order, "ship_2").status == "delivered"
        assert told(order)[-3:] == ["order.units_reopened", "order.shipped", "order.delivered"]


class TestWritingOff:
    def test_what_was_paid_for_the_units_goes_back(self):
        """Of 10.00 for three units the last cost 3.33 each, the first 3.34."""
        items = [LineFactory(quantity=3, unit_price=Decimal("3.34"))]
        order = OrderFactory(items=items, discount={"amount": Decimal("0.02")}, status="confirmed")
        amounts = []
        for _ in range(3):
            write_off(order, 0, 1)
            amounts.append(data(order, "order.units_written_off")["amount"])
        assert amounts == ["3.33", "3.33", "3.34"]

    @pytest.mark.parametrize(
        ("delivered", "status", "names"),
        [
            (False, "shipped", ["order.units_written_off"]),
            (True, "delivered", ["order.units_written_off", "order.delivered"]),
        ],
    )
    def test_the_order_ends_where_the_last_open_unit_is_written_off(self, delivered, status, names):
        order = order_of(2)
        ship(order, units={order.lines[0].id: 1})
        if delivered:
            deliver(order)
        before = mark()
        assert write_off(order, 0, 1).status == status
        assert told(order, after=before) == names

    def test_an_order_of_which_everything_was_lost_is_cancelled(self):
        order = OrderFactory(status="shipped")
        services.reopen_units(order_id=order.id, shipment_id="ship_1")
        assert write_off(order, 0, 2, reason="other").status == "cancelled"
        cancelled = data(order, "order.cancelled")
        assert (cancelled["cancellation_reason"], cancelled["stock_to_release"]) == ("other", [])

    def test_units_stay_listed_until_somebody_ticks_them_off(self):
        order = order_of(3, status="confirmed")
        write_off(order, 0, 1)
        write_off(order, 0, 1)
        assert len(selectors.unreleased_write_offs(order)) == 2
        services.release_written_off_units(order_id=order.id)
        assert data(order, "order.units_released")["items"] == [
            {"order_item_id": order.lines[0].id, "quantity": 2}
        ]
        assert selectors.unreleased_write_offs(order) == []

    def test_units_that_have_left_cannot_be_written_off(self):
        order = order_of(2)
        ship(order, units={order.lines[0].id: 1})
        with pytest.raises(TooManyUnits):
            write_off(order, 0, 2)


class TestReturns:
    def test_no_more_comes_back_than_arrived(self):
        order = OrderFactory(status="delivered")
        one = {order.lines[0].id: 1}
        services.record_returned_units(order_id=order.id, units=one)
        order = services.record_returned_units(order_id=order.id, units=one)
        assert order.status == "delivered"
        with pytest.raises(TooManyUnits):
            services.record_returned_units(order_id=order.id, units=one)
