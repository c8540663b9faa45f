"""Inventory keeps its stock by events alone, and it equals the rows of the database."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from events.reactions import ReactionsPending
from fulfillment import services as fulfillment
from orders.models import Order, Policy
from orders.services import goods as order_goods
from orders.services import lifecycle
from orders.services import reservations as order_reservations
from returns import services as returns
from returns.models import Return
from tests.consumers.inventory import EXTENSIONS, Level
from tests.consumers.truth import true_stock
from tests.factories import LineFactory, OrderFactory, pay
from tests.flows.goods import arrive, confirmed, lose, now, pack, ship
from tests.flows.inventory import QUEUE, inventory, messages
from tests.fulfillment.factories import fulfillments, pick, reach, short
from tests.reacting import as_rows
from tests.returns.factories import approve, receive, request

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "both_ways")]


def test_units_are_not_written_off_while_a_further_reservation_is_not_planned(
    run_reactions, settings
):
    """Inventory is told which warehouse does not send them, so it must be known."""
    settings.EVENTS_CONSUMER_QUEUES = {QUEUE: list(EXTENSIONS)}
    settings.EVENTS_QUEUE_PREFIX = ""
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    order = confirmed({"wh_2": 2, "wh_1": 2}, run_reactions=run_reactions, quantities=(6,))
    item = order.lines[0].id
    with as_rows():
        order_reservations.reserve_stock(
            order_id=order.id,
            reservation_id="res_2",
            allocations=[{"order_item_id": item, "warehouse_id": "wh_1", "quantity": 1}],
        )
        with pytest.raises(ReactionsPending):
            order_goods.write_off_units(order_id=order.id, units={item: 4}, reason="other")
    run_reactions()
    order_goods.write_off_units(order_id=order.id, units={item: 4}, reason="other")
    run_reactions()
    assert inventory(messages()).stock() == true_stock()


class Shop:
    """An order of three lines, and what happens to it; after each step Inventory is compared."""

    def __init__(self, run_reactions: Callable[[], None]) -> None:
        self._run_reactions = run_reactions
        lines = [LineFactory(quantity=quantity) for quantity in (3, 2, 4)]
        lines[2]["preferred_warehouse_id"] = None
        self.order: Order = OrderFactory(items=lines)
        self.settle()

    def settle(self) -> None:
        """Run what is pending, and compare Inventory's stock with the truth."""
        self._run_reactions()
        assert inventory(messages()).stock() == true_stock()

    def item(self, n: int = 0) -> str:
        return self.order.lines[n].id

    def answer(self) -> None:
        """Send Inventory's answers to the API."""
        for order_id, body in inventory(messages()).reservations("wh_far"):
            order_reservations.record_reservation(order_id=order_id, rejected=False, **body)
        self.settle()

    def split(self) -> None:
        """Reserve the first two lines in two warehouses each, the third in one."""
        places = [{"wh_1": 2, "wh_2": 1}, {"wh_2": 1, "wh_1": 1}, {"wh_3": 4}]
        allocations: Any = [
            {"order_item_id": self.item(n), "warehouse_id": warehouse, "quantity": quantity}
            for n, where in enumerate(places)
            for warehouse, quantity in where.items()
        ]
        order_reservations.reserve_stock(
            order_id=self.order.id, reservation_id="res_split", allocations=allocations
        )
        self.settle()

    def reserve(self, number: int, *places: tuple[int, str, int]) -> None:
        """Reserve units of lines in warehouses."""
        allocations: Any = [
            {"order_item_id": self.item(line), "warehouse_id": warehouse, "quantity": quantity}
            for line, warehouse, quantity in places
        ]
        order_reservations.reserve_stock(
            order_id=self.order.id, reservation_id=f"res_{number}", allocations=allocations
        )
        self.settle()

    def pay(self) -> None:
        pay(self.order)
        self.settle()

    def in_warehouse(self, warehouse_id: str) -> Any:
        """Return the latest fulfillment of a warehouse."""
        return [f for f in fulfillments(self.order) if f.warehouse_id == warehouse_id][-1]

    def write_off(self, n: int, quantity: int) -> None:
        units = {self.item(n): quantity}
        order_goods.write_off_units(order_id=self.order.id, units=units, reason="out_of_stock")
        self.settle()

    def cancel(self) -> None:
        lifecycle.cancel_order(order_id=self.order.id, reason="customer_request")
        self.settle()

    def send(self, warehouse_id: str) -> Any:
        found = self.in_warehouse(warehouse_id)
        pack(found, run_reactions=self.settle)
        return ship(found, run_reactions=self.settle)


def cancel_before_the_reservation(shop: Shop) -> None:
    shop.cancel()


def cancel_after_the_reservation(shop: Shop) -> None:
    shop.answer()
    shop.cancel()


def cancel_after_the_payment(shop: Shop) -> None:
    shop.split()
    shop.pay()
    shop.cancel()


def reserve_after_the_payment(shop: Shop) -> None:
    shop.pay()
    shop.split()
    shop.answer()
    shop.cancel()


def reserve_again(shop: Shop) -> None:
    shop.answer()
    shop.pay()
    shop.write_off(0, 1)
    allocations: Any = [
        {"order_item_id": shop.item(n), "warehouse_id": "wh_9", "quantity": quantity}
        for n, quantity in enumerate((2, 2, 4))
    ]
    order_reservations.reserve_stock(
        order_id=shop.order.id, reservation_id="res_9", allocations=allocations
    )
    shop.settle()
    shop.cancel()


def write_off_some_and_cancel(shop: Shop) -> None:
    shop.split()
    shop.pay()
    shop.write_off(0, 1)
    shop.write_off(1, 2)
    shop.cancel()


def write_off_everything(shop: Shop) -> None:
    shop.split()
    shop.pay()
    units = {shop.item(n): quantity for n, quantity in enumerate((3, 2, 4))}
    order_goods.write_off_units(order_id=shop.order.id, units=units, reason="out_of_stock")
    shop.settle()
    assert now(shop.order).status == "cancelled"


def write_off_what_is_not_picked(shop: Shop) -> None:
    """The open warehouse gives up its units first, then the one that picks."""
    shop.split()
    shop.pay()
    one = reach(shop.in_warehouse("wh_1"), "started")
    pick(one, quantity=1)
    shop.settle()
    shop.write_off(0, 2)
    assert {f.warehouse_id: f.quantities[shop.item(0)] for f in fulfillments(shop.order)} == {
        "wh_1": 1,
        "wh_2": 0,
        "wh_3": 0,
    }
    shop.cancel()


def write_off_the_rest(shop: Shop) -> None:
    shop.split()
    shop.pay()
    parcel = shop.send("wh_1")
    shop.write_off(0, 1)
    shop.write_off(1, 1)
    shop.write_off(2, 4)
    arrive(parcel, run_reactions=shop.settle)
    assert now(shop.order).status == "delivered"


def write_off_a_short_unit(shop: Shop) -> None:
    """It was missing in the first of two warehouses that have units of the line."""
    shop.split()
    shop.pay()
    one = reach(shop.in_warehouse("wh_1"), "started")
    short(one, quantity=1)
    shop.settle()
    fulfillment.write_off_short_units(fulfillment_id=one.id, units={shop.item(0): 1})
    shop.settle()
    for warehouse in ("wh_1", "wh_2", "wh_3"):
        arrive(shop.send(warehouse), run_reactions=shop.settle)
    assert now(shop.order).status == "delivered"


def move_a_short_unit(shop: Shop) -> None:
    shop.split()
    shop.pay()
    one = reach(shop.in_warehouse("wh_1"), "started")
    short(one, quantity=1)
    fulfillment.move_units(fulfillment_id=one.id, warehouse_id="wh_4", units={shop.item(0): 1})
    shop.settle()
    for warehouse in ("wh_4", "wh_3", "wh_2", "wh_1"):
        arrive(shop.send(warehouse), run_reactions=shop.settle)


def move_and_cancel(shop: Shop) -> None:
    shop.split()
    shop.pay()
    two = shop.in_warehouse("wh_2")
    units = {shop.item(0): 1, shop.item(1): 1}
    fulfillment.move_units(fulfillment_id=two.id, warehouse_id="wh_3", units=units)
    shop.settle()
    shop.write_off(0, 1)
    shop.cancel()


def start_where_no_warehouse_was_known(shop: Shop) -> None:
    shop.pay()
    (unknown,) = (f for f in fulfillments(shop.order) if f.warehouse_id is None)
    fulfillment.start_fulfillment(
        fulfillment_id=unknown.id, warehouse_id="wh_7", assigned_to="picker_1"
    )
    shop.settle()
    arrive(shop.send("wh_7"), run_reactions=shop.settle)
    shop.write_off(0, 3)


def deliver_everything(shop: Shop) -> None:
    shop.answer()
    shop.pay()
    for warehouse in ("wh_101", "wh_far"):
        arrive(shop.send(warehouse), run_reactions=shop.settle)
    assert now(shop.order).status == "delivered"
    assert inventory(messages()).stock() == {
        ("org_1", line.variant_id, warehouse): Level(on_hand=-line.quantity)
        for line, warehouse in zip(shop.order.lines, ("wh_101", "wh_101", "wh_far"), strict=True)
    }


def lose_a_parcel_and_send_it_again(shop: Shop) -> None:
    shop.split()
    shop.pay()
    lose(shop.send("wh_1"), run_reactions=shop.settle)
    arrive(shop.send("wh_1"), run_reactions=shop.settle)


def lose_a_parcel_and_write_it_off(shop: Shop) -> None:
    shop.split()
    shop.pay()
    lose(shop.send("wh_3"), run_reactions=shop.settle)
    shop.write_off(2, 3)
    arrive(shop.send("wh_3"), run_reactions=shop.settle)


def lose_every_parcel_and_write_everything_off(shop: Shop) -> None:
    shop.split()
    shop.pay()
    for warehouse in ("wh_1", "wh_2", "wh_3"):
        lose(shop.send(warehouse), run_reactions=shop.settle)
    for n, quantity in enumerate((3, 2, 4)):
        shop.write_off(n, quantity)
    assert now(shop.order).status == "cancelled"


def find_a_lost_parcel(shop: Shop) -> None:
    """Of its four units, one was picked again meanwhile, in another warehouse, and is sent."""
    shop.split()
    shop.pay()
    parcel = shop.send("wh_3")
    lose(parcel, run_reactions=shop.settle)
    again = shop.in_warehouse("wh_3")
    fulfillment.move_units(fulfillment_id=again.id, warehouse_id="wh_5", units={shop.item(2): 2})
    pick(reach(shop.in_warehouse("wh_5"), "started"))
    shop.settle()
    arrive(parcel, run_reactions=shop.settle)
    assert now(shop.order).lines[2].delivered == 3


def return_a_parcel_to_the_sender(shop: Shop) -> None:
    """One unit is damaged, two are sent again by another warehouse, and one is missing."""
    shop.split()
    shop.pay()
    lose(shop.send("wh_3"), status="returned_to_sender", run_reactions=shop.settle)
    back = Return.objects.get(order=shop.order)
    receive(back, 1, condition="damaged")
    shop.settle()
    receive(back, 2)
    shop.settle()
    returns.close_return(return_id=back.id)
    shop.settle()
    arrive(shop.send("wh_101"), run_reactions=shop.settle)
    shop.write_off(2, 1)


def return_some_units_damaged(shop: Shop) -> None:
    deliver_everything(shop)
    back = request(now(shop.order), 2, 0, 3)
    approve(back)
    receive(back, 1, 2)
    shop.settle()
    receive(back, condition="damaged", accepted=False)
    shop.settle()
    variants = [line.variant_id for line in shop.order.lines]
    stock = inventory(messages()).stock()
    assert [
        sum(level.on_hand for (_, variant, _), level in stock.items() if variant == each)
        for each in variants
    ] == [1 - 3, -2, 2 - 4]


def reserve_a_part_before_the_payment(shop: Shop) -> None:
    """The rest goes to its preferred warehouse."""
    shop.reserve(1, (0, "wh_1", 2))
    shop.pay()
    shop.cancel()


def reserve_a_part_and_cancel_unpaid(shop: Shop) -> None:
    shop.reserve(1, (0, "wh_1", 2))
    shop.cancel()


def reserve_a_part_after_the_payment(shop: Shop) -> None:
    """The rest goes to its preferred warehouse, which had it before."""
    shop.pay()
    shop.reserve(1, (0, "wh_1", 2), (2, "wh_3", 1))
    shop.write_off(0, 1)
    shop.cancel()


def reserve_some_and_cancel(shop: Shop) -> None:
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    shop.pay()
    shop.reserve(1, (0, "wh_1", 2), (2, "wh_3", 1))
    shop.reserve(2, (0, "wh_1", 1), (1, "wh_2", 1))
    shop.write_off(1, 2)
    shop.cancel()


def reserve_the_rest_before_the_payment(shop: Shop) -> None:
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    shop.reserve(1, (0, "wh_1", 3))
    shop.reserve(2, (1, "wh_1", 2), (2, "wh_2", 3))
    shop.pay()
    shop.cancel()


def send_backordered_units_later(shop: Shop) -> None:
    """The rest is reserved while the first parcel is on its way, and partly written off."""
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    shop.reserve(1, (0, "wh_1", 2), (1, "wh_1", 2))
    shop.pay()
    parcel = shop.send("wh_1")
    shop.reserve(2, (0, "wh_1", 1), (2, "wh_2", 2))
    arrive(parcel, run_reactions=shop.settle)
    arrive(shop.send("wh_1"), run_reactions=shop.settle)
    arrive(shop.send("wh_2"), run_reactions=shop.settle)
    assert now(shop.order).status == "processing", "two units are back-ordered"
    shop.write_off(2, 1)
    shop.reserve(3, (2, "wh_3", 1))
    arrive(shop.send("wh_3"), run_reactions=shop.settle)
    assert now(shop.order).status == "delivered"


def move_and_write_off_backordered_units(shop: Shop) -> None:
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    shop.reserve(1, (0, "wh_1", 2), (1, "wh_1", 1))
    shop.pay()
    one = shop.in_warehouse("wh_1")
    fulfillment.move_units(fulfillment_id=one.id, warehouse_id="wh_4", units={shop.item(0): 1})
    shop.settle()
    shop.reserve(2, (0, "wh_1", 1), (2, "wh_4", 2))
    lose(shop.send("wh_4"), run_reactions=shop.settle)
    shop.write_off(1, 1)
    shop.write_off(2, 2)
    shop.write_off(0, 1)
    arrive(shop.send("wh_4"), run_reactions=shop.settle)
    arrive(shop.send("wh_1"), run_reactions=shop.settle)
    assert now(shop.order).status == "delivered"


def find_a_lost_parcel_of_an_order_with_backordered_units(shop: Shop) -> None:
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    shop.reserve(1, (0, "wh_1", 2))
    shop.pay()
    parcel = shop.send("wh_1")
    lose(parcel, run_reactions=shop.settle)
    arrive(parcel, run_reactions=shop.settle)
    assert shop.in_warehouse("wh_1").status == "cancelled"
    shop.reserve(2, (0, "wh_1", 1), (1, "wh_2", 2), (2, "wh_2", 4))
    for warehouse in ("wh_1", "wh_2"):
        arrive(shop.send(warehouse), run_reactions=shop.settle)
    assert now(shop.order).status == "delivered"


CANCELLED: list[Callable[[Shop], None]] = [
    cancel_before_the_reservation,
    cancel_after_the_reservation,
    cancel_after_the_payment,
    reserve_after_the_payment,
    reserve_again,
    write_off_some_and_cancel,
    write_off_everything,
    write_off_what_is_not_picked,
    move_and_cancel,
    reserve_a_part_before_the_payment,
    reserve_a_part_and_cancel_unpaid,
    reserve_a_part_after_the_payment,
    reserve_some_and_cancel,
    reserve_the_rest_before_the_payment,
    lose_every_parcel_and_write_everything_off,
]
FINISHED: list[Callable[[Shop], None]] = [
    write_off_the_rest,
    write_off_a_short_unit,
    move_a_short_unit,
    start_where_no_warehouse_was_known,
    deliver_everything,
    lose_a_parcel_and_send_it_again,
    lose_a_parcel_and_write_it_off,
    find_a_lost_parcel,
    return_a_parcel_to_the_sender,
    return_some_units_damaged,
    send_backordered_units_later,
    move_and_write_off_backordered_units,
    find_a_lost_parcel_of_an_order_with_backordered_units,
]


@pytest.mark.parametrize("life", CANCELLED + FINISHED)
def test_stock_follows_from_the_messages_of_a_whole_life(life, run_reactions, settings):
    """Also when the messages arrive in another order, and some of them twice."""
    settings.EVENTS_CONSUMER_QUEUES = {QUEUE: list(EXTENSIONS)}
    settings.EVENTS_QUEUE_PREFIX = ""
    life(Shop(run_reactions))
    received = messages()
    shuffled = received + received[::2]
    random.Random(len(received)).shuffle(shuffled)
    assert inventory(shuffled).stock() == true_stock()


@pytest.mark.parametrize("life", CANCELLED)
@pytest.mark.parametrize("named", [(), ("order.units_written_off",), ("fulfillment.units_moved",)])
def test_a_cancelled_order_releases_what_inventory_still_holds(
    life, named, run_reactions, settings, monkeypatch
):
    """By the messages that it was sent, so also without most extension events.

    The events of reservations stand for its own answers, which it knows without a message.
    """
    settings.EVENTS_CONSUMER_QUEUES = {
        QUEUE: ["order.reserved", "order.backorder_reserved", *named]
    }
    settings.EVENTS_QUEUE_PREFIX = ""
    monkeypatch.setattr(Shop, "settle", lambda shop: shop._run_reactions())
    shop = Shop(run_reactions)
    life(shop)
    assert now(shop.order).status == "cancelled"
    held = inventory(messages()).orders()[shop.order.id].held
    assert not +held, "it still holds units"
