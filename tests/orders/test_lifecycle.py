"""The outcome of every command in every state of an order."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from config.core.exceptions import DomainError
from orders.models import Order
from orders.services import goods, lifecycle, reservations
from payments.models import Payment
from tests import factories
from tests.factories import OrderFactory
from tests.reacting import as_rows
from tests.states import UNCHANGED, check_outcomes, outcomes

pytestmark = pytest.mark.django_db

STATES = [str(status) for status in Order.Status]


def units(order, count):
    return {order.lines[0].id: count}


def allocations(order):
    return [{"order_item_id": order.lines[0].id, "warehouse_id": "wh_1", "quantity": 2}]


def confirm(order):
    """Confirm the order by the payment that paid it, if there is one."""
    payment_id = Payment.objects.filter(order=order).values_list("pk", flat=True).first()
    lifecycle.confirm_order(order_id=order.id, payment_id=payment_id)


COMMANDS = {
    "place": lambda o: lifecycle.place_order(order_id=o.id),
    "reserve": lambda o: reservations.reserve_stock(
        order_id=o.id, reservation_id="res_1", allocations=allocations(o)
    ),
    "extend the reservation": lambda o: lifecycle.extend_reservation(
        order_id=o.id, until=timezone.now() + timedelta(days=7)
    ),
    "confirm": confirm,
    "cancel": factories.cancel,
    "hold": lambda o: lifecycle.hold_order(order_id=o.id, reason="fraud"),
    "release": lambda o: lifecycle.release_order(order_id=o.id),
    "start": factories.start,
    "ship one": lambda o: factories.ship(o, "ship_2", units=units(o, 1)),
    "ship all": lambda o: factories.ship(o, "ship_2", units=units(o, 2)),
    "ship the same shipment": lambda o: factories.ship(o, "ship_1", units=units(o, 2)),
    "deliver": factories.deliver,
    "reopen": lambda o: goods.reopen_units(
        order_id=o.id, shipment_id="ship_1", units=units(o, 2), warehouse_id="wh_1"
    ),
    "write off one": lambda o: goods.write_off_units(
        order_id=o.id, units=units(o, 1), reason="out_of_stock"
    ),
    "write off all": lambda o: goods.write_off_units(
        order_id=o.id, units=units(o, 2), reason="out_of_stock"
    ),
    "record a return": lambda o: goods.record_returned_units(order_id=o.id, units=units(o, 1)),
    "release units": lambda o: goods.release_written_off_units(order_id=o.id),
}
RESERVED = ("same", ["order.reserved"])
CANCELLED = ("cancelled", ["order.cancelled"])
HELD = ("same", ["order.held"])
WRITTEN_OFF = ("same", ["order.units_written_off"])
ALL_WRITTEN_OFF = ("cancelled", ["order.units_written_off", "order.cancelled"])
TABLE = {  # the status after the command, and its events; a state that is missing refuses it
    "place": {
        "pending": ("placed", ["order.placed"]),
        "placed": UNCHANGED,
        "paid": UNCHANGED,
        "confirmed": UNCHANGED,
        "processing": UNCHANGED,
        "shipped": UNCHANGED,
        "delivered": UNCHANGED,
    },
    "reserve": {
        "placed": RESERVED,
        "paid": ("confirmed", ["order.reserved", "order.confirmed"]),
        "confirmed": RESERVED,
    },
    "extend the reservation": {
        **dict.fromkeys(STATES, UNCHANGED),
        "placed": ("same", ["order.reservation_extended"]),
    },
    "confirm": {
        "placed": ("confirmed", ["order.confirmed"]),
        "paid": UNCHANGED,
        "confirmed": UNCHANGED,
        "processing": UNCHANGED,
        "shipped": UNCHANGED,
        "delivered": UNCHANGED,
    },
    "cancel": {
        "pending": CANCELLED,
        "placed": CANCELLED,
        "paid": CANCELLED,
        "confirmed": CANCELLED,
        "processing": CANCELLED,
        "cancelled": UNCHANGED,
    },
    "hold": {
        "pending": HELD,
        "placed": HELD,
        "paid": HELD,
        "confirmed": HELD,
        "processing": HELD,
    },
    "release": dict.fromkeys(STATES, UNCHANGED),
    "start": {
        "confirmed": ("processing", ["order.processing"]),
        "processing": UNCHANGED,
        "shipped": UNCHANGED,
        "delivered": UNCHANGED,
    },
    "ship one": {
        "processing": ("same", ["order.shipped"]),
    },
    "ship all": {
        "processing": ("shipped", ["order.shipped"]),
    },
    "ship the same shipment": {
        "processing": ("shipped", ["order.shipped"]),
        "shipped": UNCHANGED,
        "delivered": UNCHANGED,
    },
    "deliver": {
        "shipped": ("delivered", ["order.delivered"]),
        "delivered": UNCHANGED,
    },
    "reopen": {
        "shipped": ("same", ["order.units_reopened"]),
    },
    "write off one": {
        "confirmed": WRITTEN_OFF,
        "processing": WRITTEN_OFF,
    },
    "write off all": {
        "confirmed": ALL_WRITTEN_OFF,
        "processing": ALL_WRITTEN_OFF,
    },
    "record a return": {
        "delivered": ("same", ["order.units_returned"]),
    },
    "release units": dict.fromkeys(STATES, UNCHANGED),
}


@pytest.mark.parametrize("state", STATES)
def test_outcome_of_each_command(state, subtests):
    order = OrderFactory(status=state)
    if state == "placed":
        with as_rows():
            factories.pay(order)  # no reaction has confirmed the order yet
    check_outcomes(order, COMMANDS, outcomes(TABLE, state), subtests)


def test_every_transition_is_in_the_table():
    results = [outcome for row in TABLE.values() for outcome in row.values()]
    emitted = {name for outcome in results if outcome != UNCHANGED for name in outcome[1]}
    tested_elsewhere = {
        "customer.erased",
        "order.corrected",
        "order.took_place",
        "order.backorder_reserved",
        "order.paid",
        "order.released",
        "order.part_delivered",
        "order.units_recovered",
        "order.units_released",
    }
    assert {row.emits.name for row in Order.transitions()} == emitted | tested_elsewhere


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        ("placed", {"status": "bogus"}),
        ("pending", {"status": "placed"}),
        ("placed", {"status": "confirmed"}),
        ("placed", {"placed_at": None}),
        ("placed", {"status": "paid"}),
        ("delivered", {"delivered_at": None}),
        ("placed", {"status": "cancelled"}),
        ("cancelled", {"status": "placed"}),
        ("placed", {"held_at": "2025-11-23T12:00Z"}),
    ],
)
def test_the_database_refuses_a_status_without_its_timestamps(state, wrong):
    order = OrderFactory(status=state)
    for name, value in wrong.items():
        setattr(order, name, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        order.save()


ALLOWED = {
    "pending": ["correct", "place", "cancel", "hold"],
    "placed": ["correct", "reservation", "cancel", "hold"],
    "paid": ["correct", "reservation", "cancel", "hold"],
    "confirmed": ["correct", "reservation", "cancel", "hold", "write-off"],
    "processing": ["correct", "cancel", "reservation", "hold", "write-off"],
    "shipped": [],
    "delivered": [],
    "cancelled": [],
}


@pytest.mark.parametrize("state", STATES)
def test_allowed_actions(state):
    assert OrderFactory(status=state).allowed_actions() == ALLOWED[state]


def test_a_refused_transition_names_the_status_and_the_allowed_actions():
    order = OrderFactory(status="shipped")
    message = f"`cancel` is not possible for {order.id}: it is shipped"
    with pytest.raises(DomainError, match=message) as refused:
        factories.cancel(order)
    assert refused.value.details == {"allowed_actions": []}
