"""The REST API of returns."""

from decimal import Decimal

import pytest

from payments import selectors as payment_selectors
from returns import selectors, services
from returns.models import Return
from tests import factories
from tests.factories import OrderFactory, order_of
from tests.log import event_data
from tests.returns.factories import ReturnFactory, approve, pay_out, receive, refund, request

pytestmark = pytest.mark.django_db


def post(api, row, verb, body=None, key="key"):
    url = f"/api/v1/returns/{row.id}/{verb}" if row else "/api/v1/returns"
    return api.post(url, body or {}, headers={"Idempotency-Key": key})


def return_body(order, *lines, **given):
    items = [{"order_item_id": line.id, "quantity": 1} for line in lines or order.lines]
    return {"order_id": order.id, "reason": "too_big", "items": items, **given}


def receipt_body(row, quantity=1, **given):
    item = {"order_item_id": row.lines[0].order_item_id, "quantity": quantity, "condition": "good"}
    return {"warehouse_id": "wh_7", "items": [{**item, **given}]}


def test_a_return_from_the_request_to_the_refund(api):
    order = OrderFactory(status="delivered")
    response = post(api, None, "", return_body(order))
    assert response.status_code == 201
    created = response.json()
    assert (created["status"], created["value"], created["approved_amount"]) == (
        "requested",
        "25.00",
        None,
    )
    assert created["allowed_actions"] == ["approve", "reject", "cancel"]
    row = Return.objects.get(pk=created["id"])
    approved = post(api, row, "approve", {"note": "Fine."}).json()
    assert (approved["approved_amount"], approved["approved_by"]) == ("25.00", "user_1")
    received = post(api, row, "receive", receipt_body(row)).json()
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
    created = post(api, None, "", return_body(order, line, line)).json()
    assert [item["quantity"] for item in created["items"]] == [2]


def test_a_line_has_one_reason(api):
    order = OrderFactory(status="delivered")
    body = return_body(order, order.lines[0], order.lines[0])
    body["items"][0]["reason"] = "torn"
    response = post(api, None, "", body)
    assert response.status_code == 400
    assert "has two reasons" in response.json()["errors"]["items"][0]


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
    response = post(api, None, "", return_body(OrderFactory(status="delivered")) | change)
    assert (response.status_code, list(response.json()["errors"])) == (400, [field])


def test_an_order_of_another_organization_is_refused(api):
    order = OrderFactory(organization_id="org_2", status="delivered")
    assert list(post(api, None, "", return_body(order)).json()["errors"]) == ["order_id"]


def test_a_late_return_is_refused_with_a_code(api, settings):
    settings.RETURN_WINDOW_DAYS = 0
    response = post(api, None, "", return_body(OrderFactory(status="delivered")))
    assert (response.status_code, response.json()["code"]) == (422, "return_window_closed")


@pytest.mark.parametrize("verb", ["receive", "refund", "close"])
def test_receive_refund_and_close_need_an_idempotency_key(api, verb):
    response = api.post(f"/api/v1/returns/{ReturnFactory().id}/{verb}", {})
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_required")


def test_a_repeated_close_only_cuts_the_return_short(api):
    row = ReturnFactory(status="approved")
    receive(row, 1)
    for _ in range(2):
        response = post(api, row, "close", {"note": "One is lost."})
        assert (response.status_code, response.json()["status"]) == (200, "received")


def test_units_that_are_not_accepted_cannot_be_refunded(api):
    row = ReturnFactory(status="approved")
    body = receipt_body(row, 2, condition="damaged", accepted=False)
    response = post(api, row, "receive", body).json()
    assert (response["accepted_value"], response["max_refundable"]) == ("0.00", "0.00")
    assert response["allowed_actions"] == ["close"]


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
    assert event_data(row.order, "return.refund_due")["amount"] == "50.00"


@pytest.mark.parametrize("amount", ["0", "-1", "1e1"])
def test_a_wrong_amount_is_refused(api, amount):
    response = post(api, ReturnFactory(status="received"), "refund", {"amount": amount})
    assert (response.status_code, list(response.json()["errors"])) == (400, ["amount"])


def test_a_refused_action_lists_the_allowed_ones(api):
    row = ReturnFactory(status="approved")
    response = post(api, row, "refund")
    assert (response.status_code, response.json()["allowed_actions"]) == (
        409,
        ["cancel", "receive"],
    )


def test_the_label_must_be_a_url(api):
    response = post(api, ReturnFactory(), "approve", {"return_shipping_label_url": "here"})
    assert list(response.json()["errors"]) == ["return_shipping_label_url"]


def test_a_repeated_rejection_has_the_same_response(api):
    row = ReturnFactory()
    first, again = (
        post(api, row, "reject", {"note": "Sold as seen."}, key=key) for key in ("1", "2")
    )
    assert first.json() == again.json()
    other = post(api, row, "reject", {"note": "Worn."}, key="3")
    assert (other.status_code, other.json()["code"]) == (409, "invalid_transition")


def test_the_list_can_be_filtered(api):
    requested, approved = ReturnFactory(), ReturnFactory(status="approved")
    received, refunding = ReturnFactory(status="received"), ReturnFactory(status="received")
    refund(refunding)
    worthless = request(order_of(1, status="delivered"))
    approve(worthless)
    receive(worthless, accepted=False)

    def ids(**query):
        return [row["id"] for row in api.get("/api/v1/returns", query).json()["results"]]

    assert ids() == [worthless.id, refunding.id, received.id, approved.id, requested.id]
    assert ids(order=requested.order_id) == ids(rma_number=requested.rma_number) == [requested.id]
    assert ids(status="approved") == ids(to_receive="true") == [approved.id]
    assert ids(to_refund="true") == [received.id]
    assert ids(to_refund="false") == [worthless.id, refunding.id, approved.id, requested.id]


def test_the_actor_of_the_body_is_recorded(api):
    row = ReturnFactory()
    post(api, row, "approve", {"actor": "user_manager"})
    assert selectors.get(row.id).approved_by == "user_manager"
    services.cancel_return(return_id=row.id)
    assert api.get(f"/api/v1/returns/{row.id}").json()["ended_by"] == "system"


def test_the_refundable_amount_is_what_the_payment_has_left(api):
    row = ReturnFactory(status="received")
    [payment] = payment_selectors.of_order(row.order_id)
    for amount, left, actions in [("20", "30.00", ["close", "refund"]), ("30", "0.00", ["close"])]:
        factories.refund(payment, amount)
        shown = api.get(f"/api/v1/returns/{row.id}").json()
        assert (shown["max_refundable"], shown["allowed_actions"]) == (left, actions)
        listed = api.get("/api/v1/returns?to_refund=true").json()["results"]
        assert len(listed) == ("refund" in actions)


@pytest.mark.parametrize("place", ["return", "line"])
def test_only_the_service_gives_the_reason_of_a_parcel(api, place):
    order = OrderFactory(status="delivered")
    reasons = {"return": "wrong_size", "line": None} | {place: "returned_to_sender"}
    item = {"order_item_id": order.lines[0].id, "quantity": 1, "reason": reasons["line"]}
    body = {"order_id": order.id, "reason": reasons["return"], "items": [item]}
    response = api.post("/api/v1/returns", body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert "Only the service" in str(response.json()["errors"])
