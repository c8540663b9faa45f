"""Every state of an order against everything that can be asked of it."""

import pytest
from django.db import IntegrityError, transaction

from config.core.exceptions import DomainError
from orders import services
from orders.models import Order
from payments.models import Payment
from tests import factories
from tests.factories import OrderFactory
from tests.states import NO, STANDS, ask, column

pytestmark = pytest.mark.django_db

STATES = [str(status) for status in Order.Status]


def units(order, count):
    return {order.lines[0].id: count}


def allocations(order):
    return [{"order_item_id": order.lines[0].id, "warehouse_id": "wh_1", "quantity": 2}]


def confirm(order):
    """By whatever has paid it."""
    payment_id = Payment.objects.filter(order=order).values_list("pk", flat=True).first()
    services.confirm_order(order_id=order.id, payment_id=payment_id)


COMMANDS = {
    "place": lambda o: services.place_order(order_id=o.id),
    "reserve": lambda o: services.reserve_stock(
        order_id=o.id, reservation_id="res_1", allocations=allocations(o)
    ),
    "confirm": confirm,
    "cancel": factories.cancel,
    "hold": lambda o: services.hold_order(order_id=o.id, reason="fraud"),
    "release": lambda o: services.release_order(order_id=o.id),
    "start": factories.start,
    "ship one": lambda o: factories.ship(o, "ship_2", units=units(o, 1)),
    "ship all": lambda o: factories.ship(o, "ship_2", units=units(o, 2)),
    "ship the same": lambda o: factories.ship(o, "ship_1", units=units(o, 2)),
    "deliver": factories.deliver,
    "reopen": lambda o: services.reopen_units(order_id=o.id, shipment_id="ship_1"),
    "write one off": lambda o: services.write_off_units(
        order_id=o.id, units=units(o, 1), reason="out_of_stock"
    ),
    "write all off": lambda o: services.write_off_units(
        order_id=o.id, units=units(o, 2), reason="out_of_stock"
    ),
    "count a return": lambda o: services.record_returned_units(order_id=o.id, units=units(o, 1)),
    "tick off": lambda o: services.release_written_off_units(order_id=o.id),
}
OUT = ["order.units_written_off"]
# What is asked: the answer in each state, in their order; or what happens, and the state after.
TABLE = {
    "place": [("placed", ["order.placed"]), *[STANDS] * 5, NO],
    "reserve": [NO, *[("same", ["order.reserved"])] * 2, *[NO] * 4],
    "confirm": [NO, ("confirmed", ["order.confirmed"]), *[STANDS] * 4, NO],
    "cancel": [*[("cancelled", ["order.cancelled"])] * 4, NO, NO, STANDS],
    "hold": [*[("same", ["order.held"])] * 4, *[NO] * 3],
    "release": [STANDS] * 7,
    "start": [NO, NO, ("processing", ["order.processing"]), *[STANDS] * 3, NO],
    "ship one": [*[NO] * 3, ("same", ["order.shipped"]), *[NO] * 3],
    "ship all": [*[NO] * 3, ("shipped", ["order.shipped"]), *[NO] * 3],
    "ship the same": [*[NO] * 3, ("shipped", ["order.shipped"]), STANDS, STANDS, NO],
    "deliver": [*[NO] * 4, ("delivered", ["order.delivered"]), STANDS, NO],
    "reopen": [*[NO] * 4, ("same", ["order.units_reopened"]), NO, NO],
    "write one off": [NO, NO, ("same", OUT), ("same", OUT), *[NO] * 3],
    "write all off": [NO, NO, *[("cancelled", [*OUT, "order.cancelled"])] * 2, *[NO] * 3],
    "count a return": [*[NO] * 5, ("same", ["order.units_returned"]), NO],
    "tick off": [STANDS] * 7,
}


@pytest.mark.parametrize("state", STATES)
def test_state_and_command(state, subtests):
    order = OrderFactory(status=state)
    if state == "placed":
        factories.pay(order)  # nobody has reacted to it yet
    ask(order, COMMANDS, column(TABLE, STATES.index(state)), subtests)


def test_every_transition_is_in_the_table():
    """The table above names the events of every row of the order's own table."""
    emitted = {
        name for row in TABLE.values() for e in row if e not in (NO, STANDS) for name in e[1]
    }
    rows = Order.transitions()
    reached_otherwise = {"order.released", "order.part_delivered", "order.units_released"}
    assert {row.emits.name for row in rows} == emitted | reached_otherwise


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        ("placed", {"status": "bogus"}),
        ("pending", {"status": "placed"}),
        ("placed", {"status": "confirmed"}),
        ("placed", {"placed_at": None}),
        ("delivered", {"delivered_at": None}),
        ("placed", {"status": "cancelled"}),
        ("cancelled", {"status": "placed"}),
        ("placed", {"held_at": "2025-11-23T12:00Z"}),
    ],
)
def test_the_database_refuses_a_state_that_cannot_be(state, wrong):
    order = OrderFactory(status=state)
    for name, value in wrong.items():
        setattr(order, name, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        order.save()


ALLOWED = {
    "pending": ["place", "cancel", "hold"],
    "placed": ["reservation", "cancel", "hold"],
    "confirmed": ["reservation", "cancel", "hold", "write-off"],
    "processing": ["cancel", "reservation", "hold", "write-off"],
    "shipped": [],
    "delivered": [],
    "cancelled": [],
}


@pytest.mark.parametrize("state", STATES)
def test_allowed_actions_are_what_would_be_accepted(state):
    assert OrderFactory(status=state).allowed_actions() == ALLOWED[state]


def test_a_refusal_names_the_state_and_what_is_allowed():
    order = OrderFactory(status="shipped")
    with pytest.raises(DomainError, match=f"Cannot cancel {order.id}: it is shipped") as refused:
        factories.cancel(order)
    assert refused.value.details == {"allowed_actions": []}
