"""The outcome of every command in every state of a fulfillment."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from fulfillment import selectors, services
from fulfillment.models import Fulfillment, FulfillmentItem
from orders.services import lifecycle
from tests.fulfillment.factories import (
    PACKAGE,
    FulfillmentFactory,
    fulfillments,
    pick_all,
    reach,
    short,
)
from tests.reacting import as_rows
from tests.states import UNCHANGED, check_outcomes, outcomes

pytestmark = pytest.mark.django_db


def all_picked():
    fulfillment = FulfillmentFactory(status="started")
    pick_all(fulfillment)
    return fulfillment


def one_short():
    """One unit is picked, the other one is short."""
    fulfillment = FulfillmentFactory(status="started")
    short(fulfillment)
    pick_all(fulfillment)
    return fulfillment


def cancelled_after_packing():
    fulfillment = FulfillmentFactory(status="packed")
    return reach(fulfillment, "cancelled")


STATES = {  # of an order with two units
    "open": lambda: FulfillmentFactory(status="open"),
    "started": lambda: FulfillmentFactory(status="started"),
    "all picked": all_picked,
    "one short": one_short,
    "packed": lambda: FulfillmentFactory(status="packed"),
    "cancelled": lambda: FulfillmentFactory(status="cancelled"),
    "cancelled after packing": cancelled_after_packing,
}


def one(row):
    return {row.lines[0].order_item_id: 1}


def scan(row, **given):
    item = row.lines[0].order_item_id
    return {"order_item_id": item, "quantity": 1, "scan_id": str(uuid4()), **given}


COMMANDS = {
    "start": lambda f: services.start_fulfillment(fulfillment_id=f.id, assigned_to="picker_1"),
    "pick": lambda f: services.pick_item(fulfillment_id=f.id, **scan(f)),
    "short": lambda f: services.report_short(fulfillment_id=f.id, **scan(f, reason="gone")),
    "pack": lambda f: services.pack_fulfillment(fulfillment_id=f.id, packages=[PACKAGE]),
    "move": lambda f: services.move_units(fulfillment_id=f.id, warehouse_id="wh_2", units=one(f)),
    "write off": lambda f: services.write_off_short_units(fulfillment_id=f.id, units=one(f)),
    "cancel": lambda f: services.cancel_fulfillments(order_id=f.order_id),
    "unpack": lambda f: services.unpack_fulfillment(fulfillment_id=f.id),
    "mark lost": lambda f: services.mark_units_lost(
        fulfillment_id=f.id, shipment_id="ship_1", units=one(f)
    ),
}
PICKED = ("same", ["fulfillment.item_picked"])
SHORT = ("same", ["fulfillment.item_short"])
MOVED = ("same", ["fulfillment.units_moved", "fulfillment.opened"])
PACKED = ("packed", ["fulfillment.packed"])
CANCELLED = ("cancelled", ["fulfillment.cancelled"])
TABLE = {  # the status after the command, and its events; a state that is missing refuses it
    "start": {
        "open": ("started", ["fulfillment.started"]),
        "started": UNCHANGED,
        "all picked": UNCHANGED,
        "one short": UNCHANGED,
        "packed": UNCHANGED,
    },
    "pick": {
        "started": PICKED,
        "one short": PICKED,
    },
    "short": {
        "started": SHORT,
        "all picked": SHORT,
        "one short": SHORT,
        "packed": SHORT,
    },
    "pack": {
        "all picked": PACKED,
        "one short": PACKED,
        "packed": UNCHANGED,
    },
    "move": {
        "open": MOVED,
        "started": MOVED,
        "one short": MOVED,
    },
    "write off": {
        "one short": ("same", ["fulfillment.units_short"]),
    },
    "cancel": {
        "open": CANCELLED,
        "started": CANCELLED,
        "all picked": CANCELLED,
        "one short": CANCELLED,
        "packed": CANCELLED,
        "cancelled": UNCHANGED,
        "cancelled after packing": UNCHANGED,
    },
    "unpack": {
        "cancelled after packing": ("same", ["fulfillment.unpacked"]),
    },
    "mark lost": {
        "packed": ("same", ["fulfillment.units_lost", "fulfillment.opened"]),
    },
}


def test_the_table_has_every_command():
    assert TABLE.keys() == COMMANDS.keys()


@pytest.mark.parametrize("state", STATES)
def test_each_command_in_each_state(state, subtests):
    check_outcomes(STATES[state](), COMMANDS, outcomes(TABLE, state), subtests)


@pytest.mark.parametrize("state", STATES)
def test_every_accepted_command_is_an_allowed_action(state):
    allowed = set(selectors.get(STATES[state]().id).allowed_actions())
    for command in ("start", "pick", "short", "pack", "move", "unpack"):
        if isinstance(TABLE[command].get(state), tuple):
            assert command in allowed


@pytest.mark.parametrize(
    "wrong",
    [
        {"picked_quantity": 3},
        {"picked_quantity": 1, "lost_quantity": 2},
        {"short_quantity": 3},
        {"picked_quantity": 1, "short_quantity": 2},
    ],
)
def test_the_database_refuses_a_line_that_counts_a_unit_twice(wrong):
    row = FulfillmentFactory(status="started")
    with pytest.raises(IntegrityError), transaction.atomic():
        FulfillmentItem.objects.filter(fulfillment=row).update(**wrong)


def test_the_database_refuses_two_unpacked_fulfillments_of_one_warehouse():
    row = FulfillmentFactory()
    twin = Fulfillment(
        order_id=row.order_id, organization_id="org_1", warehouse_id=row.warehouse_id
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


def test_lost_units_are_assigned_again_beside_the_packed_fulfillment():
    row = FulfillmentFactory(status="packed")
    services.mark_units_lost(fulfillment_id=row.id, shipment_id="ship_1", units=one(row))
    packed, new = fulfillments(row.order)
    assert (packed.lines[0].lost_quantity, new.status, new.lines[0].quantity) == (1, "open", 1)


def test_lost_units_of_a_cancelled_order_are_not_assigned_again():
    row = FulfillmentFactory(status="packed")
    with as_rows():
        lifecycle.cancel_order(order_id=row.order_id, reason="fraud")
    services.mark_units_lost(fulfillment_id=row.id, shipment_id="ship_1", units=one(row))
    assert [each.status for each in fulfillments(row.order)] == ["cancelled"]


def test_a_cancelled_order_does_not_cancel_what_was_sent_and_lost():
    row = FulfillmentFactory(status="packed")
    units = {row.lines[0].order_item_id: 2}
    services.mark_units_lost(fulfillment_id=row.id, shipment_id="ship_1", units=units)
    services.cancel_fulfillments(order_id=row.order_id)
    assert [each.status for each in fulfillments(row.order)] == ["packed", "cancelled"]
    assert not Fulfillment.objects.filter(selectors.TO_UNPACK).exists()
