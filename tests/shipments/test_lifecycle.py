"""Every state of a shipment against everything that can be asked of it."""

import pytest
from django.db import IntegrityError, transaction

from shipments.models import Label, Shipment
from shipments.services import creation, labels, lifecycle
from tests.shipments.factories import BY_HAND, ShipmentFactory, scan
from tests.states import NO, STANDS, ask, column

pytestmark = pytest.mark.django_db

STATES = [str(status) for status in Shipment.Status]
COMMANDS = {
    "label": lambda s: labels.label_shipment(
        shipment_id=s.id, tracking_number="new", label_url="https://x.test/new"
    ),
    "dispatch": lambda s: lifecycle.dispatch_shipment(shipment_id=s.id),
    "scan in transit": lambda s: scan(s, "in_transit"),
    "scan exception": lambda s: scan(s, "exception"),
    "scan delivered": lambda s: scan(s, "delivered"),
    "scan lost": lambda s: scan(s, "lost"),
    "scan returned": lambda s: scan(s, "returned_to_sender"),
    "scan pre-transit": lambda s: scan(s, "pre_transit"),
    "deliver": lambda s: lifecycle.deliver_shipment(shipment_id=s.id, signature="new"),
    "cancel": lambda s: creation.cancel_shipment(shipment_id=s.id),
    "cancel the order": lambda s: creation.cancel_open_shipments(order_id=s.order_id),
}
LEFT, SEEN, TROUBLE = "shipment.dispatched", "shipment.in_transit", "shipment.exception"
THERE, GONE, BACK = "shipment.delivered", "shipment.lost", "shipment.returned_to_sender"
CANCELLED = ("cancelled", ["shipment.cancelled"])
MOVING = ("in_transit", [SEEN])
LATE = STANDS  # kept, and no more
# What is asked: the answer in each state, in their order; or what happens, and the state after.
TABLE = {
    #  created, labelled, dispatched, in transit, exception, delivered, lost, returned, cancelled
    "label": [("label_created", ["shipment.label_created"]), *[NO] * 8],
    "dispatch": [("dispatched", [LEFT]), ("dispatched", [LEFT]), *[STANDS] * 6, NO],
    "scan in transit": [NO, ("in_transit", [LEFT, SEEN]), *[MOVING] * 3, *[LATE] * 4],
    "scan exception": [
        NO,
        ("exception", [LEFT, TROUBLE]),
        *[("exception", [TROUBLE])] * 3,
        *[LATE] * 4,
    ],
    "scan delivered": [
        NO,
        ("delivered", [LEFT, THERE]),
        *[("delivered", [THERE])] * 3,
        *[LATE] * 4,
    ],
    "scan lost": [
        NO,
        ("lost", [LEFT, TROUBLE, GONE]),
        *[("lost", [TROUBLE, GONE])] * 2,
        ("lost", [GONE]),
        *[LATE] * 4,
    ],
    "scan returned": [
        NO,
        ("returned_to_sender", [LEFT, TROUBLE, BACK]),
        *[("returned_to_sender", [TROUBLE, BACK])] * 2,
        ("returned_to_sender", [BACK]),
        *[LATE] * 4,
    ],
    "scan pre-transit": [NO, *[STANDS] * 8],
    "deliver": [NO, NO, *[("delivered", [THERE])] * 3, *[NO] * 4],
    "cancel": [CANCELLED, CANCELLED, *[NO] * 6, STANDS],
    "cancel the order": [CANCELLED, CANCELLED, *[STANDS] * 7],
}


@pytest.mark.parametrize("state", STATES)
def test_state_and_command(state, subtests):
    shipment = ShipmentFactory(status=state, by=BY_HAND)
    ask(shipment, COMMANDS, column(TABLE, STATES.index(state)), subtests)


def test_the_table_knows_every_transition():
    """What it does not show is about labels that are bought; their tests are in test_labels."""
    moves = [cell for row in TABLE.values() for cell in row if isinstance(cell, tuple)]
    emitted = {name for _, names in moves for name in names}
    bought = {"shipment.label_requested", "shipment.label_refused"}
    assert {row.emits.name for row in Shipment.transitions()} == emitted | bought


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("created", ["label", "dispatch", "cancel"]),
        ("label_created", ["dispatch", "scan", "cancel"]),
        ("in_transit", ["scan", "deliver"]),
        ("delivered", []),
    ],
)
def test_what_is_allowed_is_said(state, offered):
    assert ShipmentFactory(status=state, by=BY_HAND).allowed_actions() == offered


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("created", "tracking_number = '1'"),
        ("created", "status = 'dispatched'"),
        ("created", "status = 'cancelled'"),
        ("created", "due_at = now()"),
        ("created", "shipping_cost = -1"),
        ("label_created", "tracking_number = null"),
        ("dispatched", "dispatched_at = null"),
        ("dispatched", "status = 'delivered'"),
        ("delivered", "delivered_at = null"),
        ("delivered", "status = 'lost'"),
    ],
)
def test_the_database_too_knows_what_a_state_implies(state, change):
    shipment = ShipmentFactory(status=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        Shipment.objects.raw(
            f"UPDATE shipments_shipment SET {change} WHERE id = %s RETURNING id", [shipment.id]
        )[0]


def test_the_database_too_keeps_one_label_for_a_shipment():
    shipment = ShipmentFactory(status="label_created")
    second = Label(shipment=shipment, requested_by="x", requested_at=shipment.created_at)
    second.request_call(shipment.created_at)
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()
