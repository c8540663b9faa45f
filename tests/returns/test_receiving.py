"""Receive returns in one receipt or several, and close them."""

from decimal import Decimal

import pytest

from orders import selectors as orders
from orders.exceptions import TooManyUnits
from returns import selectors, services
from returns.exceptions import NotInReturn, RefundOutstanding
from tests.factories import OrderFactory, deliver, order_of, ship, start
from tests.log import event_data, event_names, latest_number
from tests.returns.factories import ReturnFactory, approve, close, receive, refund, request

pytestmark = pytest.mark.django_db


def returned(order):
    return [line.returned for line in orders.get(order.id).lines]


def test_units_are_received_in_two_receipts(run_reactions):
    order = order_of(3, status="delivered")
    row = request(order, 3)
    approve(row)
    assert receive(row, 2, condition="opened").status == "approved"
    first = event_data(order, "return.received")
    run_reactions()
    assert returned(order) == [2]
    assert receive(row, 1).status == "received"
    run_reactions()
    assert returned(order) == [3]
    assert [first["returned_items"], event_data(order, "return.received")["returned_items"]] == [
        [
            {
                "variant_id": "var_0",
                "quantity": quantity,
                "condition": condition,
                "return_reason": "wrong_size",
            }
        ]
        for quantity, condition in [(2, "opened"), (1, "good")]
    ]
    assert first["warehouse_id"] == "wh_101"


def test_the_reason_of_a_line_overrides_the_one_of_the_return():
    order = order_of(1, 1, status="delivered")
    lines = [line.id for line in order.lines]
    items = [
        {"order_item_id": lines[0], "quantity": 1, "reason": "torn"},
        {"order_item_id": lines[1], "quantity": 1, "reason": None},
    ]
    row = services.request_return(order_id=order.id, reason="other", items=items)
    approve(row)
    receive(row)
    received = event_data(order, "return.received")["returned_items"]
    assert [item["return_reason"] for item in received] == ["torn", "other"]


def test_units_of_a_line_are_received_in_different_conditions():
    row = ReturnFactory(status="approved")
    unit = {"order_item_id": row.lines[0].order_item_id, "quantity": 1}
    items = [
        {**unit, "condition": "good", "accepted": True},
        {**unit, "condition": "damaged", "accepted": False},
    ]
    services.receive_return(return_id=row.id, warehouse_id="wh_1", items=items)
    row = selectors.get(row.id)
    line = row.lines[0]
    assert (row.status, line.received_quantity, line.accepted_quantity) == ("received", 2, 1)
    assert (row.accepted_value, row.max_refund) == (25, 25)
    assert str(row.receipts.all()[0]) == (
        f"1 × {row.lines[0].variant_id} (good), "
        f"1 × {row.lines[0].variant_id} (damaged, not accepted)"
    )


def test_no_more_units_are_received_than_requested():
    order = order_of(3, status="delivered")
    row = request(order, 2)
    approve(row)
    receive(row, 1)
    with pytest.raises(TooManyUnits, match="available: 1; requested: 2"):
        receive(row, 2)


def test_units_of_a_line_that_is_not_in_the_return_are_refused():
    order = order_of(1, 1, status="delivered")
    row = request(order, 1)
    approve(row)
    other = {"order_item_id": order.lines[1].id, "condition": "good", "accepted": True}
    with pytest.raises(NotInReturn):
        services.receive_return(
            return_id=row.id, warehouse_id="wh_1", items=[{**other, "quantity": 1}]
        )


def test_a_return_cut_short_refunds_the_received_units():
    row = ReturnFactory(status="approved")
    receive(row, 1)
    assert close(row, "One is lost.").status == "received"
    assert event_data(row.order, "return.cut_short")["items"] == [
        {
            "order_item_id": row.lines[0].order_item_id,
            "variant_id": row.lines[0].variant_id,
            "quantity": 1,
        }
    ]
    assert selectors.get(row.id).max_refund == 25


def test_a_return_without_accepted_units_is_closed_without_a_note():
    row = ReturnFactory(status="approved")
    receive(row, accepted=False)
    assert services.close_return(return_id=row.id).status == "closed"


def test_waiving_a_refund_needs_a_note():
    row = ReturnFactory(status="received")
    with pytest.raises(RefundOutstanding, match=r"50\.00 USD can be refunded"):
        services.close_return(return_id=row.id, note="It was worn.")
    with pytest.raises(RefundOutstanding, match="say in `note` why not"):
        services.close_return(return_id=row.id, waive_refund=True)
    before = latest_number()
    for _ in range(2):
        services.close_return(return_id=row.id, note="It was worn.", waive_refund=True)
    assert event_names(row.order, after=before) == ["return.closed"]
    assert event_data(row.order, "return.closed")["note"] == "It was worn."


def test_a_free_unit_is_returned_without_a_refund():
    order = OrderFactory(discount={"amount": Decimal("50.00")}, status="placed")
    start(order), ship(order), deliver(order)
    row = request(order)
    approve(row)
    receive(row)
    assert selectors.get(row.id).allowed_actions() == ["close"]


def test_all_returns_of_an_order_count_in_the_order(run_reactions):
    order = order_of(3, 2, status="delivered")
    for quantities in ((1, 0), (2, 1)):
        row = request(order, *quantities)
        approve(row)
        receive(row)
        refund(row)
    run_reactions()
    assert returned(order) == [3, 1]
    assert event_names(order).count("order.units_returned") <= 2
