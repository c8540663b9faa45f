"""The outcome of every command in every state of a return."""

import pytest
from django.db import IntegrityError, transaction

from returns import services
from returns.models import Return
from tests.returns.factories import ReturnFactory, approve, pay_out, receive, refund
from tests.states import UNCHANGED, check_outcomes, outcomes

pytestmark = pytest.mark.django_db

STATES = [str(status) for status in Return.Status]


def receive_both(row):
    items = {"quantity": 2, "condition": "good", "accepted": True}
    line = row.lines[0].order_item_id
    services.receive_return(
        return_id=row.id, warehouse_id="wh_1", items=[{"order_item_id": line, **items}]
    )


COMMANDS = {
    "approve": approve,
    "reject": lambda r: services.reject_return(return_id=r.id),
    "cancel": lambda r: services.cancel_return(return_id=r.id),
    "receive one": lambda r: receive(r, 1),
    "receive all": receive_both,
    "close": lambda r: services.close_return(return_id=r.id, note="kept", waive_refund=True),
    "refund": lambda r: services.refund_return(return_id=r.id),
    "refund in full": lambda r: services.refund_return(
        return_id=r.id, amount=r.value, may_exceed=True
    ),
    "complete refunds": pay_out,
}
REFUND_DUE = ("same", ["return.refund_due"])
TABLE = {  # the status after the command, and its events; a state that is missing refuses it
    "approve": {
        "requested": ("approved", ["return.approved"]),
        "approved": UNCHANGED,
        "received": UNCHANGED,
        "refunded": UNCHANGED,
        "closed": UNCHANGED,
    },
    "reject": {
        "requested": ("rejected", ["return.rejected"]),
        "rejected": UNCHANGED,
    },
    "cancel": {
        "requested": ("cancelled", ["return.cancelled"]),
        "approved": ("cancelled", ["return.cancelled"]),
        "cancelled": UNCHANGED,
    },
    "receive one": {
        "approved": ("same", ["return.received"]),
    },
    "receive all": {
        "approved": ("received", ["return.received"]),
    },
    "close": {
        "received": ("closed", ["return.closed"]),
    },
    "refund": {
        "received": REFUND_DUE,
        "refunded": UNCHANGED,
    },
    "refund in full": {
        "received": REFUND_DUE,
        "refunded": UNCHANGED,
    },
    "complete refunds": dict.fromkeys(STATES, UNCHANGED),
}


@pytest.mark.parametrize("state", STATES)
def test_each_command_in_each_state(state, subtests):
    check_outcomes(ReturnFactory(status=state), COMMANDS, outcomes(TABLE, state), subtests)


def test_the_table_has_every_transition():
    moves = [cell for row in TABLE.values() for cell in row.values() if isinstance(cell, tuple)]
    emitted = {name for _, names in moves for name in names}
    reached_otherwise = {"return.cut_short", "return.refunded", "return.parcel_expected"}
    assert {row.emits.name for row in Return.transitions()} == emitted | reached_otherwise


ALLOWED = {
    "requested": ["approve", "reject", "cancel"],
    "approved": ["cancel", "receive"],
    "received": ["close", "refund"],
    "refunded": [],
    "rejected": [],
    "cancelled": [],
    "closed": [],
}


@pytest.mark.parametrize("state", STATES)
def test_allowed_actions_of_each_state(state):
    assert ReturnFactory(status=state).allowed_actions() == ALLOWED[state]


def test_a_partly_received_return_can_be_closed_and_not_cancelled():
    row = ReturnFactory(status="approved")
    receive(row, 1)
    assert Return.objects.get(pk=row.pk).allowed_actions() == ["receive", "close"]


def test_a_pending_refund_allows_no_action():
    row = ReturnFactory(status="received")
    refund(row)
    assert Return.objects.get(pk=row.pk).allowed_actions() == []


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("received", "refunded_amount = 1"),
        ("received", "due_amount = 50.01"),
        ("received", "accepted_value = 50.01"),
        ("received", "approved_amount = 50.01"),
        ("received", "received_at = null"),
        ("received", "status = 'refunded'"),
        ("approved", "approved_at = null"),
        ("requested", "status = 'approved'"),
        ("refunded", "status = 'closed'"),
        ("rejected", "ended_by = null"),
        ("approved", "restocking_fee = 1.1"),
    ],
)
def test_the_database_refuses_an_inconsistent_return(state, change):
    row = ReturnFactory(status=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        Return.objects.raw(
            f"UPDATE returns_return SET {change} WHERE id = %s RETURNING id", [row.id]
        )[0]


@pytest.mark.parametrize(
    "change",
    [{"received_quantity": 3}, {"accepted_quantity": 1}, {"accepted_value": 51}, {"quantity": 0}],
)
def test_the_database_refuses_an_item_that_counts_a_unit_twice(change):
    row = ReturnFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.items.update(**change)
