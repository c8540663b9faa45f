"""Parcels that come back to their sender."""

from collections import Counter

import pytest

from events.aggregate import InvalidTransition
from fulfillment.models import Fulfillment
from fulfillment.selectors import TO_UNPACK
from returns import selectors, services
from returns.models import Return
from tests.flows.goods import arrive, lose, now, pack, pay_out, ship
from tests.flows.parcels import come_back, counts, parcel, planned, receive, receive_all
from tests.flows.truth import expect_consistent
from tests.fulfillment.factories import fulfillments
from tests.log import event_data, event_names
from tests.reacting import as_rows
from tests.returns.factories import request

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("media", "both_ways", "inventory_follows"),
]


def test_the_parcel_is_expected_and_nothing_is_picked_before_it_is_received(order, run_reactions):
    row = come_back(order, run_reactions)
    requested = event_data(order, "return.requested")
    assert (requested["return_id"], requested["reason"]) == (row.id, "returned_to_sender")
    assert [item["quantity"] for item in requested["items"]] == [3]
    assert (row.status, row.approved_amount, row.max_refund) == ("approved", 0, 0)
    assert row.allowed_actions() == ["cancel", "receive"]
    assert "return.approved" not in event_names(order)
    assert (counts(order), planned(order)) == ((0, 3, 0, 0), [])


def test_received_units_are_picked_again_where_they_are_and_reach_the_customer(
    order, run_reactions
):
    row = receive(come_back(order, run_reactions), run_reactions, "wh_2", good=2, opened=1)
    assert row.status == "closed"
    received = event_data(order, "return.received")
    assert [(item["condition"], item["quantity"]) for item in received["returned_items"]] == [
        ("good", 2),
        ("opened", 1),
    ]
    assert {item["return_reason"] for item in received["returned_items"]} == {"returned_to_sender"}
    assert (counts(order), planned(order)) == ((0, 0, 0, 0), [("open", "wh_2", 3)])
    again = fulfillments(order)[1]
    pack(again, run_reactions=run_reactions)
    arrive(ship(again, run_reactions=run_reactions), run_reactions=run_reactions)
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert Counter(event_names(order))["order.shipped"] == 2
    assert not {"payment.refunded", "order.units_returned"} & set(event_names(order))
    expect_consistent(order.id)


@pytest.mark.parametrize("condition", ["damaged", "defective", "wrong_item"])
def test_units_that_cannot_be_sent_again_are_written_off_and_refunded(
    condition, order, run_reactions
):
    receive(come_back(order, run_reactions), run_reactions, good=2, **{condition: 1})
    pay_out(order, run_reactions=run_reactions)
    assert (counts(order), planned(order)) == ((1, 0, 0, 0), [("open", "wh_1", 2)])
    refunded = event_data(order, "payment.refunded")
    assert (refunded["refund_amount"], refunded["refund_reason"]) == (
        "25.00",
        "units_written_off",
    )
    expect_consistent(order.id)


def test_an_order_without_usable_units_is_cancelled_and_has_nothing_to_unpack(order, run_reactions):
    receive(come_back(order, run_reactions), run_reactions, damaged=3)
    pay_out(order, run_reactions=run_reactions)
    assert (now(order).status, counts(order)) == ("cancelled", (3, 0, 0, 0))
    assert event_data(order, "payment.refunded")["refund_amount"] == "75.00"
    assert planned(order) == []
    assert not Fulfillment.objects.filter(TO_UNPACK).exists()
    expect_consistent(order.id)


def test_who_may_request_returns_cannot_declare_a_parcel_lost(order, run_reactions, caller):
    """Its units would be sent again, although they are on their way back."""
    path = f"/api/v1/returns/{come_back(order, run_reactions).id}/cancel"
    refused = caller(scope="returns:request").post(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    allowed = caller(scope="returns:request returns:receive").post(path)
    assert allowed.json()["status"] == "cancelled"


def test_units_that_are_missing_in_the_parcel_are_lost(order, run_reactions):
    row = receive(come_back(order, run_reactions), run_reactions, "wh_2", good=1)
    assert (row.status, counts(order)) == ("approved", (0, 2, 0, 0))
    services.close_return(return_id=row.id, note="Two were stolen.")
    run_reactions()
    assert selectors.get(row.id).status == "closed"
    assert counts(order) == (0, 0, 0, 0)
    assert planned(order) == [("open", "wh_2", 1), ("open", "wh_1", 2)]
    expect_consistent(order.id)


def test_a_parcel_that_never_arrives_is_lost(order, run_reactions):
    row = come_back(order, run_reactions)
    services.cancel_return(return_id=row.id, note="It is nowhere.")
    run_reactions()
    assert selectors.get(row.id).status == "cancelled"
    assert (counts(order), planned(order)) == ((0, 0, 0, 0), [("open", "wh_1", 3)])
    expect_consistent(order.id)


def test_the_customer_can_return_the_units_that_were_sent_again(order, run_reactions):
    receive(come_back(order, run_reactions), run_reactions, good=3)
    again = fulfillments(order)[1]
    pack(again, run_reactions=run_reactions)
    arrive(ship(again, run_reactions=run_reactions), run_reactions=run_reactions)
    assert selectors.get(request(now(order), 3).id).value == 75


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_units_that_arrive_after_they_were_given_up_are_only_restocked(end, order, run_reactions):
    row = come_back(order, run_reactions)
    if end == "cancel":
        services.cancel_return(return_id=row.id)
    else:
        receive(row, run_reactions, good=1)
        services.close_return(return_id=row.id)
    run_reactions()
    before, planned_before = event_names(order), planned(order)
    ended = selectors.get(row.id)
    assert ended.allowed_actions() == ["receive"]
    row = receive(row, run_reactions, good=ended.outstanding_quantity)
    assert event_names(order)[len(before) :] == ["return.received"]
    assert (row.status, row.allowed_actions()) == (ended.status, [])
    assert (counts(order), planned(order)) == ((0, 0, 0, 0), planned_before)
    expect_consistent(order.id)


def test_a_parcel_that_is_delivered_after_all_ends_its_return(order, run_reactions):
    row = come_back(order, run_reactions)
    arrive(parcel(order), run_reactions=run_reactions)
    row = selectors.get(row.id)
    assert (row.status, row.ending_note) == ("cancelled", "The parcel was delivered.")
    assert row.allowed_actions() == []
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert planned(order) == []
    expect_consistent(order.id)


@pytest.mark.parametrize("why", ["given up", "lost before"])
def test_a_delivered_parcel_is_not_received(why, order, run_reactions, api):
    if why == "lost before":
        lose(parcel(order), run_reactions=run_reactions)
    row = come_back(order, run_reactions)
    if why == "given up":
        services.cancel_return(return_id=row.id)
        run_reactions()
    arrive(parcel(order), run_reactions=run_reactions)
    assert selectors.get(row.id).allowed_actions() == []
    item = {"order_item_id": row.lines[0].order_item_id, "quantity": 3, "condition": "good"}
    refused = api.post(
        f"/api/v1/returns/{row.id}/receive",
        {"warehouse_id": "wh_1", "items": [item]},
        headers={"Idempotency-Key": "once"},
    )
    assert refused.status_code == 409
    assert "the parcel was not delivered after all" in refused.json()["detail"]
    received = receive_all(request(now(order), 3), run_reactions)
    assert (received.status, counts(order)) == ("received", (0, 3, 3, 3))


def test_a_parcel_is_not_received_before_the_return_knows_of_its_delivery(order, run_reactions):
    row = come_back(order, run_reactions)
    with as_rows():
        arrive(parcel(order), run_reactions=lambda: None)
        with pytest.raises(InvalidTransition, match="the parcel was not delivered"):
            receive(row, lambda: None, good=1)
    run_reactions()
    assert selectors.get(row.id).status == "cancelled"
    expect_consistent(order.id)


def test_a_return_that_was_cancelled_stays_so_when_units_come_late(order, run_reactions):
    row = come_back(order, run_reactions)
    for _ in range(2):
        services.cancel_return(return_id=row.id, note="It is nowhere.")
        run_reactions()
        row = receive(row, run_reactions, good=1)
    assert (row.status, row.outstanding_quantity) == ("cancelled", 1)


def test_a_parcel_of_which_units_are_received_is_not_delivered(order, run_reactions):
    receive(come_back(order, run_reactions), run_reactions, good=1)
    with pytest.raises(InvalidTransition, match="no warehouse has received units of it"):
        arrive(parcel(order), run_reactions=run_reactions)


def test_a_parcel_that_was_given_up_can_be_delivered(order, run_reactions):
    row = come_back(order, run_reactions)
    services.cancel_return(return_id=row.id)
    run_reactions()
    arrive(parcel(order), run_reactions=run_reactions)
    assert (now(order).status, counts(order)) == ("delivered", (0, 3, 3, 0))
    assert planned(order) == [("cancelled", "wh_1", 0)]
    expect_consistent(order.id)


def test_a_scan_that_is_sent_twice_opens_one_return(order, run_reactions):
    come_back(order, run_reactions)
    lose(parcel(order), status="returned_to_sender", run_reactions=run_reactions)
    assert Return.objects.count() == 1
