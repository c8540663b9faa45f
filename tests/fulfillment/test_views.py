"""The REST API of fulfillments."""

import pytest

from fulfillment import selectors
from orders.services import lifecycle
from tests import documents
from tests.fulfillment.factories import (
    PACKAGE,
    FulfillmentFactory,
    fulfillments,
    order_in,
    pick_all,
    reach,
    short,
)
from tests.log import event_data, event_names

pytestmark = pytest.mark.django_db
URL = "/api/v1/fulfillments"


def post(api, fulfillment, verb, body, status=200):
    response = api.post(f"{URL}/{fulfillment.id}/{verb}", body)
    assert response.status_code == status, response.json()
    return response.json()


def test_a_fulfillment_is_started_picked_and_packed(api):
    fulfillment = fulfillments(order_in({"wh_1": 3}))[0]
    item = fulfillment.lines[0].order_item_id
    started = post(api, fulfillment, "start", {"assigned_to": "picker_1"})
    assert (started["status"], started["assigned_to"]) == ("started", "picker_1")
    assert started["allowed_actions"] == ["pick", "short", "move"]
    pick = {"order_item_id": item, "quantity": 2, "scan_id": "scan_1"}
    post(api, fulfillment, "picks", pick, 201)
    picked = post(api, fulfillment, "picks", pick, 201)
    assert picked["items"][0]["picked"] == 2
    missing = {"order_item_id": item, "quantity": 1, "scan_id": "scan_2", "short_reason": "gone"}
    assert post(api, fulfillment, "picks", missing, 201)["items"][0]["short"] == 1
    packed = post(api, fulfillment, "pack", {"packages": [PACKAGE, {"weight": "0.250"}]})
    assert (packed["status"], packed["total_weight"]) == ("packed", "2.75")
    assert packed["packages"][1] == {
        "weight": "0.25",
        "length": None,
        "width": None,
        "height": None,
    }


def test_assigned_to_defaults_to_the_caller(api):
    assert post(api, FulfillmentFactory(), "start", {})["assigned_to"] == "user_1"


def test_errors_have_codes_and_allowed_actions(api):
    fulfillment = fulfillments(order_in({"wh_1": 3}))[0]
    item = fulfillment.lines[0].order_item_id
    pick = {"order_item_id": item, "quantity": 2, "scan_id": "scan_1"}
    early = post(api, fulfillment, "picks", pick, 409)
    assert (early["code"], early["allowed_actions"]) == ("invalid_transition", ["start", "move"])
    reach(fulfillment, "started")
    assert post(api, fulfillment, "picks", pick | {"quantity": 4}, 422)["code"] == "too_many_units"
    assert post(api, fulfillment, "pack", {"packages": []}, 400)["errors"]
    weightless = post(api, fulfillment, "pack", {"packages": [{"weight": "0"}]}, 400)
    assert weightless["errors"] == {"packages[0].weight": ["The value must be greater than 0."]}
    same = {"warehouse_id": "wh_1", "items": [{"order_item_id": item, "quantity": 1}]}
    assert post(api, fulfillment, "move", same, 422)["code"] == "other_warehouse"
    lifecycle.cancel_order(order_id=fulfillment.order_id, reason="fraud")
    late = post(api, fulfillment, "picks", pick, 409)
    assert late["code"] == "order_cancelled"


def test_short_units_are_moved_or_written_off(api):
    fulfillment = reach(fulfillments(order_in({"wh_1": 3}))[0], "started")
    item = fulfillment.lines[0].order_item_id
    short(fulfillment, quantity=2)
    one = {"items": [{"order_item_id": item, "quantity": 1}]}
    post(api, fulfillment, "move", {"warehouse_id": "wh_2", **one})
    left = post(api, fulfillment, "write-off", one)
    assert (left["items"][0]["quantity"], left["items"][0]["short"]) == (1, 0)
    moved = api.get(f"{URL}?order={fulfillment.order_id}&warehouse=wh_2&expand=items").json()[
        "results"
    ]
    assert [each["items"][0]["quantity"] for each in moved] == [1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("to_pick=true", {"open", "started"}),
        ("to_pick=false", {"packed", "all picked"}),
        ("to_pack=true", {"all picked"}),
        ("short_units=true", set()),
        ("status=open&status=packed", {"open", "packed"}),
        ("assigned_to=picker_1", {"started", "packed", "all picked"}),
    ],
)
def test_the_list_can_be_filtered(api, query, expected):
    rows = {status: FulfillmentFactory(status=status) for status in ("open", "started", "packed")}
    rows["all picked"] = FulfillmentFactory(status="started")
    pick_all(rows["all picked"])
    found = {row["id"] for row in api.get(f"{URL}?{query}").json()["results"]}
    assert found == {rows[name].id for name in expected}


def text_of(response):
    assert response.headers["Content-Type"] == "application/pdf"
    return documents.text_of(response.content)[0]


def test_the_pick_list_has_the_units_to_pick(api):
    fulfillment = FulfillmentFactory(status="started")
    text = text_of(api.get(f"{URL}/{fulfillment.id}/pick-list"))
    for part in ("Pick list", "A shirt", fulfillment.lines[0].variant_id, "wh_101", "picker_1"):
        assert part in text
    pick_all(fulfillment)
    assert "Everything is picked." in text_of(api.get(f"{URL}/{fulfillment.id}/pick-list"))


def test_the_packing_slip_has_the_units_and_no_price(api):
    fulfillment = FulfillmentFactory(status="packed")
    text = text_of(api.get(f"{URL}/{fulfillment.id}/packing-slip"))
    for part in ("Packing slip", "A shirt", "Juan Pérez", "1 Main Street", "2.5 kg"):
        assert part in text
    assert "25.00" not in text
    order = selectors.get(fulfillment.id).order
    assert order.number in text


def test_the_units_of_a_cancelled_order_are_listed_until_they_are_back_on_the_shelf(api):
    row = FulfillmentFactory(status="packed")
    started = FulfillmentFactory(status="started")
    for each in (row, started):
        reach(each, "cancelled")
    url = f"/api/v1/fulfillments/{row.id}"
    listed = api.get("/api/v1/fulfillments?to_unpack=true").json()["results"]
    assert [each["id"] for each in listed] == [row.id], "nothing was picked in the other one"
    assert (listed[0]["status"], listed[0]["allowed_actions"]) == ("cancelled", ["unpack"])
    for _ in range(2):
        unpacked = api.post(f"{url}/unpack")
        assert unpacked.status_code == 200
        assert (unpacked.json()["to_unpack"], unpacked.json()["allowed_actions"]) == (False, [])
    recorded = event_data(row.order, "fulfillment.unpacked")
    line = row.lines[0]
    items = [{"order_item_id": line.order_item_id, "variant_id": line.variant_id, "quantity": 2}]
    assert (recorded["items"], recorded["unpacked_by"]) == (items, "user_1")
    assert event_names(row.order).count("fulfillment.unpacked") == 1
    refused = api.post(f"/api/v1/fulfillments/{started.id}/unpack")
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    assert "picked units are not back on the shelf" in refused.json()["detail"]


def test_the_printed_lists_show_a_hold(api):
    order = order_in({"wh_1": 2}, {"wh_2": 1})
    packed, open_ = reach(fulfillments(order)[0], "packed"), fulfillments(order)[1]
    lifecycle.hold_order(order_id=order.id, reason="address", note="No such street.")
    for path in (f"{packed.id}/packing-slip", f"{open_.id}/pick-list"):
        text = text_of(api.get(f"{URL}/{path}"))
        assert "ON HOLD" in text
        assert "Address to be checked: No such street." in text
