"""Every command in every state of a shipment."""

import pytest
from django.db import IntegrityError, transaction

from shipments.models import Label, Shipment
from shipments.services import creation, labels, lifecycle
from tests.shipments.factories import BY_HAND, ShipmentFactory, scan
from tests.states import REFUSED, UNCHANGED, Outcome, check_outcomes, outcomes

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
DISPATCHED, IN_TRANSIT = "shipment.dispatched", "shipment.in_transit"
EXCEPTION, DELIVERED = "shipment.exception", "shipment.delivered"
LOST, RETURNED = "shipment.lost", "shipment.returned_to_sender"
CANCELLED = ("cancelled", ["shipment.cancelled"])


def by_state(others: Outcome, **named: Outcome) -> dict[str, Outcome]:
    """Return the outcome of a command in each state; `others` is that of the states not named."""
    return dict.fromkeys(STATES, others) | named


TABLE = {  # by command and state
    "label": {"created": ("label_created", ["shipment.label_created"])},
    "dispatch": by_state(
        UNCHANGED,
        created=("dispatched", [DISPATCHED]),
        label_created=("dispatched", [DISPATCHED]),
        cancelled=REFUSED,
    ),
    "scan in transit": by_state(
        UNCHANGED,
        created=REFUSED,
        label_created=("in_transit", [DISPATCHED, IN_TRANSIT]),
        dispatched=("in_transit", [IN_TRANSIT]),
        in_transit=("in_transit", [IN_TRANSIT]),
        exception=("in_transit", [IN_TRANSIT]),
    ),
    "scan exception": by_state(
        UNCHANGED,
        created=REFUSED,
        label_created=("exception", [DISPATCHED, EXCEPTION]),
        dispatched=("exception", [EXCEPTION]),
        in_transit=("exception", [EXCEPTION]),
        exception=("exception", [EXCEPTION]),
    ),
    "scan delivered": by_state(
        UNCHANGED,
        created=REFUSED,
        label_created=("delivered", [DISPATCHED, DELIVERED]),
        dispatched=("delivered", [DELIVERED]),
        in_transit=("delivered", [DELIVERED]),
        exception=("delivered", [DELIVERED]),
        lost=("delivered", [DELIVERED]),
    ),
    "scan lost": by_state(
        UNCHANGED,
        created=REFUSED,
        label_created=("lost", [DISPATCHED, EXCEPTION, LOST]),
        dispatched=("lost", [EXCEPTION, LOST]),
        in_transit=("lost", [EXCEPTION, LOST]),
        exception=("lost", [LOST]),
    ),
    "scan returned": by_state(
        UNCHANGED,
        created=REFUSED,
        label_created=("returned_to_sender", [DISPATCHED, EXCEPTION, RETURNED]),
        dispatched=("returned_to_sender", [EXCEPTION, RETURNED]),
        in_transit=("returned_to_sender", [EXCEPTION, RETURNED]),
        exception=("returned_to_sender", [RETURNED]),
        lost=("returned_to_sender", [RETURNED]),
    ),
    "scan pre-transit": by_state(UNCHANGED, created=REFUSED),
    "deliver": {
        "dispatched": ("delivered", [DELIVERED]),
        "in_transit": ("delivered", [DELIVERED]),
        "exception": ("delivered", [DELIVERED]),
        "lost": ("delivered", [DELIVERED]),
        "returned_to_sender": ("delivered", ["shipment.return_revoked", DELIVERED]),
    },
    "cancel": {"created": CANCELLED, "label_created": CANCELLED, "cancelled": UNCHANGED},
    "cancel the order": by_state(UNCHANGED, created=CANCELLED, label_created=CANCELLED),
}


@pytest.mark.parametrize("state", STATES)
def test_each_command(state, subtests):
    shipment = ShipmentFactory(status=state, by=BY_HAND)
    check_outcomes(shipment, COMMANDS, outcomes(TABLE, state), subtests)


def test_the_table_covers_every_transition():
    """The events of bought labels are tested in test_labels."""
    moves = [cell for row in TABLE.values() for cell in row.values() if isinstance(cell, tuple)]
    emitted = {name for _, names in moves for name in names}
    bought = {
        *("shipment.label_requested", "shipment.label_refused"),
        "shipment.links_revoked",  # of labels that are stored here: tests/doors/test_links.py
    }
    assert {row.emits.name for row in Shipment.transitions()} == emitted | bought


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("created", ["label", "dispatch", "cancel"]),
        ("label_created", ["dispatch", "scan", "cancel"]),
        ("in_transit", ["scan", "deliver"]),
        ("lost", ["deliver", "scan"]),
        ("returned_to_sender", ["deliver"]),
        ("delivered", []),
    ],
)
def test_allowed_actions(state, offered):
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
def test_database_constraints_match_the_states(state, change):
    shipment = ShipmentFactory(status=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        Shipment.objects.raw(
            f"UPDATE shipments_shipment SET {change} WHERE id = %s RETURNING id", [shipment.id]
        )[0]


def test_a_database_constraint_allows_one_label_for_a_shipment():
    shipment = ShipmentFactory(status="label_created")
    second = Label(shipment=shipment, requested_by="x", requested_at=shipment.created_at)
    second.request_call(shipment.created_at)
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()
