"""Concurrent commands on returns have one effect."""

from decimal import Decimal

import pytest

from config.core.exceptions import DomainError
from returns import selectors, services
from returns.models import Return
from tests.factories import order_of
from tests.log import event_names
from tests.parallel import at_once
from tests.returns.factories import ReturnFactory, approve, receive, request

pytestmark = pytest.mark.django_db(transaction=True)


def outcome(work, *args, **given):
    try:
        return work(*args, **given).status
    except DomainError as error:
        return error.code


def test_the_last_unit_is_requested_once():
    order = order_of(1, status="delivered")
    results = at_once(8, lambda n: outcome(request, order))
    assert sorted(results) == ["requested"] + ["too_many_units"] * 7
    assert Return.objects.count() == 1


def test_concurrent_returns_have_different_units_and_rma_numbers():
    order = order_of(6, status="delivered")
    at_once(6, lambda n: outcome(request, order, 1))
    rows = Return.objects.prefetch_related("items")
    assert sorted(row.lines[0].unit_numbers for row in rows) == [[1], [2], [3], [4], [5], [6]]
    assert len({row.rma_number for row in rows}) == 6


def test_concurrent_approvals_are_one_approval():
    row = ReturnFactory()
    assert at_once(8, lambda n: outcome(approve, row)) == ["approved"] * 8
    assert event_names(row.order).count("return.approved") == 1


def test_a_cancellation_may_follow_an_approval_but_never_precede_it():
    row = ReturnFactory()
    commands = [approve, lambda row: services.cancel_return(return_id=row.id)] * 4
    at_once(8, lambda n: outcome(commands[n], row))
    facts = [name for name in event_names(row.order) if name.startswith("return.")]
    assert facts in (
        ["return.requested", "return.approved", "return.cancelled"],
        ["return.requested", "return.cancelled"],
    )


def test_concurrent_receipts_never_exceed_the_requested_units(run_reactions):
    order = order_of(3, status="delivered")
    row = request(order, 3)
    approve(row)
    results = at_once(8, lambda n: outcome(receive, row, 1))
    assert sorted(results) == ["approved"] * 2 + ["invalid_transition"] * 5 + ["received"]
    row = selectors.get(row.id)
    assert (row.accepted_value, len(row.receipts.all())) == (75, 3)
    run_reactions()
    order.refresh_from_db()
    assert [line.returned for line in order.items.all()] == [3]


def test_a_receipt_with_the_same_idempotency_key_counts_once(caller):
    row = ReturnFactory(status="approved")
    line = row.lines[0].order_item_id
    body = {
        "warehouse_id": "wh_1",
        "items": [{"order_item_id": line, "quantity": 1, "condition": "good"}],
    }

    def post(n):
        url, key = f"/api/v1/returns/{row.id}/receive", {"Idempotency-Key": "same"}
        return caller().post(url, body, headers=key).status_code

    assert at_once(4, post) == [200] * 4
    assert selectors.get(row.id).lines[0].received_quantity == 1


def test_concurrent_refunds_are_one_refund():
    row = ReturnFactory(status="received")
    work = services.refund_return
    results = at_once(8, lambda n: outcome(work, return_id=row.id, amount=Decimal(30)))
    assert results == ["received"] * 8
    assert event_names(row.order).count("return.refund_due") == 1
    assert selectors.get(row.id).pending_amount == 30
