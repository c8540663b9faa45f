"""Every state of a fulfillment against everything that can be asked of it."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from fulfillment import selectors, services
from fulfillment.models import Fulfillment, FulfillmentItem
from orders import services as orders
from tests.fulfillment.factories import (
    PACKAGE,
    FulfillmentFactory,
    fulfillments,
    pick_all,
    short,
)
from tests.states import NO, STANDS, ask, column

pytestmark = pytest.mark.django_db

# An order of two units, as far as it has come; what is short has one unit picked and one missing.
STATES = ["open", "started", "all picked", "one short", "packed", "cancelled"]


def one_short():
    fulfillment = FulfillmentFactory(status="started")
    short(fulfillment)
    pick_all(fulfillment)
    return fulfillment


def make(state):
    if state == "one short":
        return one_short()
    row = FulfillmentFactory(status="started" if state == "all picked" else state)
    if state == "all picked":
        pick_all(row)
    return row


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
    "lose a parcel": lambda f: services.mark_units_lost(
        fulfillment_id=f.id, shipment_id="ship_1", units=one(f)
    ),
}
PICKED = ("same", ["fulfillment.item_picked"])
SHORT = ("same", ["fulfillment.item_short"])
MOVED = ("same", ["fulfillment.units_withdrawn", "fulfillment.opened"])
PACKED = ("packed", ["fulfillment.packed"])
CANCELLED = ("cancelled", ["fulfillment.cancelled"])
# What is asked: the answer in each state, in their order; or the state after, and what happens.
TABLE = {
    #  open, started, all picked, one short, packed, cancelled
    "start": [("started", ["fulfillment.started"]), STANDS, STANDS, STANDS, STANDS, NO],
    "pick": [NO, PICKED, NO, PICKED, NO, NO],
    "short": [NO, SHORT, SHORT, SHORT, SHORT, NO],
    "pack": [NO, NO, PACKED, PACKED, STANDS, NO],
    "move": [MOVED, MOVED, NO, MOVED, NO, NO],
    "write off": [NO, NO, NO, ("same", ["fulfillment.units_short"]), NO, NO],
    "cancel": [CANCELLED, CANCELLED, CANCELLED, CANCELLED, STANDS, STANDS],
    "lose a parcel": [
        *[NO] * 4,
        ("same", ["fulfillment.units_lost", "fulfillment.opened"]),
        NO,
    ],
}


def test_every_command_is_asked_in_every_state():
    assert TABLE.keys() == COMMANDS.keys()
    assert {len(row) for row in TABLE.values()} == {len(STATES)}


@pytest.mark.parametrize("state", STATES)
def test_what_a_command_does_in_a_state(state, subtests):
    ask(make(state), COMMANDS, column(TABLE, STATES.index(state)), subtests)


@pytest.mark.parametrize("state", STATES)
def test_what_is_said_to_be_allowed_is_not_refused_for_the_state(state):
    row = selectors.get(make(state).id)
    allowed = set(row.allowed_actions())
    for command in ("start", "pick", "short", "pack", "move"):
        answer = TABLE[command][STATES.index(state)]
        if answer not in (NO, STANDS):
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


def test_the_database_refuses_two_of_one_warehouse():
    row = FulfillmentFactory()
    twin = Fulfillment(
        order_id=row.order_id, organization_id="org_1", warehouse_id=row.warehouse_id
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


def test_a_packed_warehouse_may_send_again():
    """What is lost is picked anew, beside what was packed before."""
    row = FulfillmentFactory(status="packed")
    services.mark_units_lost(fulfillment_id=row.id, shipment_id="ship_1", units=one(row))
    packed, new = fulfillments(row.order)
    assert (packed.lines[0].lost_quantity, new.status, new.lines[0].quantity) == (1, "open", 1)


def test_what_is_lost_of_a_cancelled_order_is_not_sent_again():
    row = FulfillmentFactory(status="packed")
    orders.cancel_order(order_id=row.order_id, reason="fraud")
    services.mark_units_lost(fulfillment_id=row.id, shipment_id="ship_1", units=one(row))
    assert [each.status for each in fulfillments(row.order)] == ["packed"]
