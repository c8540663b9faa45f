"""The REST API of returns."""

from decimal import Decimal

import pytest

from returns import selectors, services
from returns.models import Return
from tests.factories import OrderFactory, order_of
from tests.facts import data
from tests.returns.factories import ReturnFactory, approve, pay_out, receive, refund, request

pytestmark = pytest.mark.django_db


def post(api, row, verb, body=None, key="key"):
    url = f"/api/v1/returns/{row.id}/{verb}" if row else "/api/v1/returns"
    return api.post(url, body or {}, headers={"Idempotency-Key": key})


def wanted(order, *lines, **given):
    items = [{"order_item_id": line.id, "quantity": 1} for line in lines or order.lines]
    return {"order_id": order.id, "reason": "too_big", "items": items, **given}


def came(row, quantity=1, **given):
    item = {"order_item_id": row.lines[0].order_item_id, "quantity": quantity, "condition": "good"}
    return {"warehouse_id": "wh_7", "items": [{**item, **given}]}


def test_a_return_from_the_request_to_the_refund(api):
    order = OrderFactory(status="delivered")
    answer = post(api, None, "", wanted(order))
    assert answer.status_code == 201
    asked = answer.json()
    assert (asked["status"], asked["value"], asked["approved_amount"]) == (
        "requested",
        "25.00",
        None,
    )
    assert asked["allowed_actions"] == ["approve", "reject", "cancel"]
    row = Return.objects.get(pk=asked["id"])
    approved = post(api, row, "approve", {"note": "Fine."}).json()
    assert (approved["approved_amount"], approved["approved_by"]) == ("25.00", "user_1")
    received = post(api, row, "receive", came(row)).json()
    assert (received["status"], received["max_refundable"]) == ("received", "25.00")
    [receipt] = received["receipts"]
    assert (receipt["warehouse_id"], receipt["received_by"]) == ("wh_7", "user_1")
    assert receipt["items"] == [
        {
            "order_item_id": order.lines[0].id,
            "quantity": 1,
            "condition": "good",
            "accepted": True,
        }
    ]
    due = post(api, row, "refund", {"amount": "20.00"}).json()
    assert (due["status"], due["refunding"], due["refunded"]) == ("received", "20.00", "0.00")
    pay_out(row)
    done = api.get(f"/api/v1/returns/{row.id}").json()
    assert (done["status"], done["refunded"], done["max_refundable"]) == (
        "refunded",
        "20.00",
        "0.00",
    )
    [payment] = api.get("/api/v1/payments", {"order": order.id}).json()["results"]
    assert [given["cause"] for given in payment["refunds"]] == [row.id]


def test_quantities_of_the_same_line_are_added_up(api):
    order = OrderFactory(status="delivered")
    line = order.lines[0]
    asked = post(api, None, "", wanted(order, line, line)).json()
    assert [item["quantity"] for item in asked["items"]] == [2]


def test_a_line_has_one_reason(api):
    order = OrderFactory(status="delivered")
    body = wanted(order, order.lines[0], order.lines[0])
    body["items"][0]["reason"] = "torn"
    answer = post(api, None, "", body)
    assert answer.status_code == 400
    assert "has two reasons" in answer.json()["errors"]["items"][0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"items": []}, "items"),
        ({"reason": ""}, "reason"),
        ({"order_id": "order_no"}, "order_id"),
        ({"override_reason": "Please."}, "override_reason"),
    ],
)
def test_a_wrong_request_is_refused(api, change, field):
    answer = post(api, None, "", wanted(OrderFactory(status="delivered")) | change)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_an_order_of_another_organization_is_refused(api):
    order = OrderFactory(organization_id="org_2", status="delivered")
    assert list(post(api, None, "", wanted(order)).json()["errors"]) == ["order_id"]


def test_a_late_return_is_refused_with_a_code(api, settings):
    settings.RETURN_WINDOW_DAYS = 0
    answer = post(api, None, "", wanted(OrderFactory(status="delivered")))
    assert (answer.status_code, answer.json()["code"]) == (422, "return_window_closed")


@pytest.mark.parametrize("verb", ["receive", "refund", "close"])
def test_receive_refund_and_close_need_an_idempotency_key(api, verb):
    answer = api.post(f"/api/v1/returns/{ReturnFactory().id}/{verb}", {})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


def test_a_repeated_close_only_cuts_the_return_short(api):
    row = ReturnFactory(status="approved")
    receive(row, 1)
    for _ in range(2):
        answer = post(api, row, "close", {"note": "One is lost."})
        assert (answer.status_code, answer.json()["status"]) == (200, "received")


def test_units_that_are_not_accepted_cannot_be_refunded(api):
    row = ReturnFactory(status="approved")
    answer = post(api, row, "receive", came(row, 2, condition="damaged", accepted=False)).json()
    assert (answer["accepted_value"], answer["max_refundable"]) == ("0.00", "0.00")
    assert answer["allowed_actions"] == ["close"]


def test_a_refund_above_the_approved_amount_needs_a_scope(caller):
    row = ReturnFactory()
    approve(row, refund_amount=Decimal(10))
    receive(row)
    writer = caller(scope="returns:write")
    refused = post(writer, row, "refund", {"amount": "10.01"})
    assert (refused.status_code, refused.json()["code"]) == (422, "refund_too_large")
    assert refused.json()["max_refundable"] == "10.00"
    manager = caller(scope="returns:write returns:override", subject="user_9")
    too_much = post(manager, row, "refund", {"amount": "50.01"})
    assert too_much.json()["max_refundable"] == "50.00"
    assert post(manager, row, "refund", {"amount": "50"}).json()["refunding"] == "50.00"
    assert data(row.order, "return.refund_due")["amount"] == "50.00"


@pytest.mark.parametrize("amount", ["0", "-1", "1e1"])
def test_a_wrong_amount_is_refused(api, amount):
    answer = post(api, ReturnFactory(status="received"), "refund", {"amount": amount})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["amount"])


def test_a_refused_action_lists_the_allowed_ones(api):
    row = ReturnFactory(status="approved")
    answer = post(api, row, "refund")
    assert (answer.status_code, answer.json()["allowed_actions"]) == (409, ["cancel", "receive"])


def test_the_label_must_be_a_url(api):
    answer = post(api, ReturnFactory(), "approve", {"return_shipping_label_url": "here"})
    assert list(answer.json()["errors"]) == ["return_shipping_label_url"]


def test_a_repeated_rejection_has_the_same_response(api):
    row = ReturnFactory()
    first, again = (
        post(api, row, "reject", {"note": "Sold as seen."}, key=key) for key in ("1", "2")
    )
    assert first.json() == again.json()
    other = post(api, row, "reject", {"note": "Worn."}, key="3")
    assert (other.status_code, other.json()["code"]) == (409, "invalid_transition")


def test_the_list_can_be_filtered(api):
    asked, approved = ReturnFactory(), ReturnFactory(status="approved")
    received, refunding = ReturnFactory(status="received"), ReturnFactory(status="received")
    refund(refunding)
    worthless = request(order_of(1, status="delivered"))
    approve(worthless)
    receive(worthless, accepted=False)

    def ids(**query):
        return [row["id"] for row in api.get("/api/v1/returns", query).json()["results"]]

    assert ids() == [worthless.id, refunding.id, received.id, approved.id, asked.id]
    assert ids(order=asked.order_id) == ids(rma_number=asked.rma_number) == [asked.id]
    assert ids(status="approved") == ids(to_receive="true") == [approved.id]
    assert ids(to_refund="true") == [received.id]
    assert ids(to_refund="false") == [worthless.id, refunding.id, approved.id, asked.id]


def test_the_actor_of_the_body_is_recorded(api):
    row = ReturnFactory()
    post(api, row, "approve", {"actor": "user_manager"})
    assert selectors.get(row.id).approved_by == "user_manager"
    services.cancel_return(return_id=row.id)
    assert api.get(f"/api/v1/returns/{row.id}").json()["ended_by"] == "system"
