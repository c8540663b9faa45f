"""Every state of a return against everything that can be asked of it."""

import pytest
from django.db import IntegrityError, transaction

from returns import services
from returns.models import Return
from tests.returns.factories import ReturnFactory, approve, pay_out, receive, refund
from tests.states import NO, STANDS, ask, column

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
    "be paid out": pay_out,
}
DUE = "return.refund_due"
# What is asked: the answer in each state, in their order; or what happens, and the state after.
TABLE = {
    #  requested, approved, received, refunded, rejected, cancelled, closed
    "approve": [("approved", ["return.approved"]), STANDS, STANDS, STANDS, NO, NO, STANDS],
    "reject": [("rejected", ["return.rejected"]), NO, NO, NO, STANDS, NO, NO],
    "cancel": [*[("cancelled", ["return.cancelled"])] * 2, *[NO] * 3, STANDS, NO],
    "receive one": [NO, ("same", ["return.received"]), *[NO] * 5],
    "receive all": [NO, ("received", ["return.received"]), *[NO] * 5],
    "close": [NO, NO, ("closed", ["return.closed"]), *[NO] * 4],
    "refund": [NO, NO, ("same", [DUE]), STANDS, *[NO] * 3],
    "refund in full": [NO, NO, ("same", [DUE]), STANDS, *[NO] * 3],
    "be paid out": [STANDS] * 7,
}


@pytest.mark.parametrize("state", STATES)
def test_state_and_command(state, subtests):
    ask(ReturnFactory(status=state), COMMANDS, column(TABLE, STATES.index(state)), subtests)


def test_the_table_knows_every_transition():
    moves = [cell for row in TABLE.values() for cell in row if isinstance(cell, tuple)]
    emitted = {name for _, names in moves for name in names}
    reached_otherwise = {"return.cut_short", "return.refunded"}
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
def test_allowed_actions_are_what_would_be_accepted(state):
    assert ReturnFactory(status=state).allowed_actions() == ALLOWED[state]


def test_what_has_come_in_part_is_closed_and_not_cancelled():
    row = ReturnFactory(status="approved")
    receive(row, 1)
    assert Return.objects.get(pk=row.pk).allowed_actions() == ["receive", "close"]


def test_while_a_refund_is_under_way_nothing_else_is_possible():
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
def test_the_database_refuses_what_cannot_be(state, change):
    row = ReturnFactory(status=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        Return.objects.raw(
            f"UPDATE returns_return SET {change} WHERE id = %s RETURNING id", [row.id]
        )[0]


@pytest.mark.parametrize(
    "change",
    [{"received_quantity": 3}, {"accepted_quantity": 1}, {"accepted_value": 51}, {"quantity": 0}],
)
def test_the_database_counts_no_unit_twice(change):
    row = ReturnFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.items.update(**change)
