"""The REST API of orders."""

from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from events.models import EventRecord
from orders.models import Policy
from orders.services import goods, lifecycle
from tests.factories import ADDRESS, OrderFactory, order_of, write_off
from tests.log import event_names

pytestmark = pytest.mark.django_db

ITEM = {"variant_id": "var_1", "title": "A shirt", "quantity": 2, "unit_price": "25.00"}
ORDER = {
    "customer_id": "cust_1",
    "currency": "USD",
    "items": [{**ITEM, "tax_rate": "0.19", "preferred_warehouse_id": "wh_1"}],
    "shipping_address": ADDRESS,
    "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "5.00"},
    "discount": {"amount": "10.00", "reason": "loyal"},
}


def post(api, order, action, body=None):
    return api.post(f"/api/v1/orders/{order.id}/{action}", body)


def test_a_new_order_is_returned_with_all_its_fields(api):
    response = api.post("/api/v1/orders", ORDER)
    assert response.status_code == 201
    order = response.json()
    assert order["status"] == "pending"
    assert order["allowed_actions"] == ["correct", "place", "cancel", "hold"]
    assert order["items"][0] | {"id": None} == {
        "id": None,
        "variant_id": "var_1",
        "title": "A shirt",
        "quantity": 2,
        "cancelled": 0,
        "backordered": 0,
        "shipped": 0,
        "delivered": 0,
        "returned": 0,
        "unit_price": "25.00",
        "subtotal": "50.00",
        "discount": "10.00",
        "own_discount": {"amount": "0.00", "code": None, "reason": None},
        "net": "40.00",
        "tax_rate": "0.19",
        "taxes": [],
        "tax_exemption": None,
        "tax_note": None,
        "tax": "7.60",
        "total": "47.60",
        "preferred_warehouse_id": "wh_1",
        "allocations": [],
        "metadata": {},
        "external_reference": None,
        "customer_note": None,
        "internal_note": None,
    }
    assert order["shipping"] == {
        "carrier": "FedEx",
        "service": "Ground",
        "signature_required": False,
        "cost": "5.00",
        "discount": {"amount": "0.00", "code": None, "reason": None},
        "tax_rate": "0",
        "taxes": [],
        "tax_exemption": None,
        "tax_note": None,
        "tax": "0.00",
        "total": "5.00",
    }
    assert (order["subtotal"], order["tax"], order["total"]) == ("50.00", "7.60", "52.60")
    assert order["discount"] == {"amount": "10.00", "code": None, "reason": "loyal"}
    assert (order["tax_inclusive"], order["tax_rounding"]) == (False, "line")
    assert (order["hold"], order["cancellation"], order["replaces"]) == (None, None, None)
    assert api.get(f"/api/v1/orders/{order['id']}").json() == order


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"items": []}, "items"),
        ({"locale": "Klingon"}, "locale"),
        ({"items": [ITEM] * 501}, "items"),
        ({"items": [{**ITEM, "quantity": 0}]}, "items[0].quantity"),
        ({"items": [{**ITEM, "colour": "red"}]}, "items[0].colour"),
        ({"shipping_address": {**ADDRESS, "country": "USA"}}, "shipping_address.country"),
        ({"shipping_address": {**ADDRESS, "country": "ZZ"}}, "shipping_address.country"),
        ({"shipping_address": {**ADDRESS, "name": " "}}, "shipping_address.name"),
        ({"shipping": {"cost": "-1"}}, "shipping.cost"),
        ({"shipping": {"signature_required": "yes"}}, "shipping.signature_required"),
        ({"shipping": {"tax_rate": "1.5"}}, "shipping.tax_rate"),
        ({"customer_email": "juan"}, "customer_email"),
        ({"customer_email": "josé@"}, "customer_email"),
        ({"customer_email": "jo\u200bsé@example.com"}, "customer_email"),
        ({"customer_email": f"josé@{'ü' * 63}.example"}, "customer_email"),
        ({"customer_email": f"{'j' * 64}@{'e.' * 100}com"}, "customer_email"),
        ({"customer_id": "a\nb"}, "customer_id"),
        ({"replaces": "order_x"}, "replaces"),
        ({"status": "confirmed"}, "status"),
        ({"currency": " USD "}, "currency"),
        ({"shipping_address": {**ADDRESS, "country": "US\n"}}, "shipping_address.country"),
        ({"organization_id": "org_2"}, "organization_id"),
    ],
)
def test_an_invalid_field_is_refused_with_its_path(api, change, path):
    response = api.post("/api/v1/orders", {**ORDER, **change})
    assert (response.status_code, list(response.json()["errors"])) == (400, [path])


def test_the_right_country_is_named_and_an_old_one_is_shown(api):
    order = {**ORDER, "shipping_address": {**ADDRESS, "country": "UK"}}
    refused = api.post("/api/v1/orders", order).json()["errors"]["shipping_address.country"]
    assert refused == ["“UK” is not a country code of ISO 3166. Write GB."]
    old = OrderFactory(shipping_address=order["shipping_address"])
    assert api.get(f"/api/v1/orders/{old.id}").json()["shipping_address"]["country"] == "UK"


def test_a_company_is_an_address_without_a_person(api):
    company = {"company": "Torres SA", "line1": "Calle 1", "city": "Puebla", "country": "MX"}
    order = api.post("/api/v1/orders", {**ORDER, "shipping_address": company}).json()
    assert order["shipping_address"] == company


def test_an_international_email_address_is_taken_and_searched(api, operator):
    decomposed = "jose\u0301@bücher.example"
    order = api.post("/api/v1/orders", {**ORDER, "customer_email": decomposed}).json()
    assert order["customer_email"] == "josé@bücher.example"
    listed = operator().get("/admin/orders/order/", {"q": "josé@bücher.example"})
    assert [row.pk for row in listed.context["cl"].result_list] == [order["id"]]


def test_a_discount_above_the_subtotal_is_refused(api):
    response = api.post("/api/v1/orders", {**ORDER, "discount": {"amount": "50.01"}})
    assert (response.status_code, response.json()["code"]) == (422, "discount_too_large")
    assert "on the items exceeds the amount of 50.00" in response.json()["detail"]


def test_taxes_and_discounts_are_shown_with_their_amounts(api):
    taxes = [{"name": "GST", "rate": "0.05"}, {"name": "QST", "rate": "0.09975"}]
    item = {"variant_id": "var_1", "title": "A shirt", "quantity": 2, "unit_price": "19.995"}
    off = {"amount": "9.99", "code": "SPRING", "reason": None}
    items = [{**item, "taxes": taxes, "discount": off}, {**item, "tax_exemption": "exempt"}]
    shipping = {"cost": "10.00", "taxes": taxes, "discount": {**off, "amount": "5.00"}}
    body = {**ORDER, "items": items, "shipping": shipping, "discount": {"amount": "7.00"}}
    order = api.post("/api/v1/orders", body).json()
    first, second = order["items"]
    # 39.99 − 9.99 = 30.00, and its share of the order's discount is 7.00 × 30.00 ÷ 69.99 = 3.00
    assert first["unit_price"] == "19.995"
    assert (first["subtotal"], first["discount"], first["net"]) == ("39.99", "12.99", "27.00")
    assert first["own_discount"] == off
    assert first["taxes"] == [
        {"name": "GST", "rate": "0.05", "amount": "1.35"},
        {"name": "QST", "rate": "0.09975", "amount": "2.69"},
    ]
    assert (first["tax_rate"], first["tax"], first["total"]) == ("0.14975", "4.04", "31.04")
    assert (second["tax_exemption"], second["taxes"], second["total"]) == ("exempt", [], "35.99")
    assert order["shipping"]["discount"] == {**off, "amount": "5.00"}
    assert order["shipping"]["taxes"] == [
        {"name": "GST", "rate": "0.05", "amount": "0.25"},
        {"name": "QST", "rate": "0.09975", "amount": "0.50"},
    ]
    assert order["shipping"]["total"] == "5.75"
    assert (order["subtotal"], order["tax"], order["total"]) == ("69.99", "4.79", "72.78")


def test_prices_that_include_tax_are_charged_as_they_are(api):
    item = {"variant_id": "var_1", "title": "A shirt", "quantity": 3, "unit_price": "15.00"}
    shipping = {"cost": "4.90", "tax_rate": "0.19"}
    items = [{**item, "tax_rate": "0.19"}]
    body = {"currency": "EUR", "items": items, "shipping": shipping, "tax_inclusive": True}
    order = api.post("/api/v1/orders", body).json()
    (line,) = order["items"]
    assert (line["net"], line["tax"], line["total"]) == ("37.82", "7.18", "45.00")
    assert (order["shipping"]["tax"], order["shipping"]["total"]) == ("0.78", "4.90")
    assert (order["subtotal"], order["tax"], order["total"]) == ("45.00", "7.96", "49.90")


def test_an_order_can_replace_a_cancelled_one(api):
    old = OrderFactory(status="cancelled")
    body = {**ORDER, "customer_id": old.customer_id, "replaces": old.id}
    assert api.post("/api/v1/orders", body).json()["replaces"] == old.id


def test_backordered_units_are_shown_until_inventory_reserves_them(api):
    Policy.objects.create(organization_id="org_1", reservation="backorder")
    order = OrderFactory()
    place = {"order_item_id": order.lines[0].id, "warehouse_id": "wh_2", "quantity": 1}

    def answer(number, **given):
        body = {"reservation_id": f"res_{number}", "allocations": [{**place, **given}]}
        return post(api, order, "reservation", body)

    for _ in range(2):
        response = answer(1).json()
        assert (response["is_backordered"], response["items"][0]["backordered"]) == (True, 1)
    too_many = answer(2, quantity=2)
    assert (too_many.status_code, too_many.json()["code"]) == (422, "too_many_units")
    for _ in range(2):
        response = answer(2).json()
        assert (response["is_backordered"], response["items"][0]["backordered"]) == (False, 0)
    assert [each["reservation_id"] for each in response["items"][0]["allocations"]] == [
        "res_1",
        "res_2",
    ]
    none_left = answer(3)
    assert (none_left.status_code, none_left.json()["code"]) == (409, "invalid_transition")
    partial = post(api, OrderFactory(), "reservation", {"reservation_id": "r", "allocations": []})
    assert (partial.status_code, partial.json()["code"]) == (422, "partial_reservation")


def test_inventory_reserves_or_rejects_an_order(api):
    order = OrderFactory()
    place = {"order_item_id": order.lines[0].id, "warehouse_id": "wh_2", "quantity": 1}
    body = {"reservation_id": "res_1", "allocations": [place]}
    response = post(api, order, "reservation", body).json()
    assert response["reservation_id"] == "res_1"
    assert response["items"][0]["allocations"] == [
        {"reservation_id": "res_1", "warehouse_id": "wh_2", "quantity": 1}
    ]
    twice = post(api, order, "reservation", {**body, "allocations": [place, place]})
    assert (twice.status_code, twice.json()["code"]) == (422, "allocated_twice")
    for wrong in ({}, {"reservation_id": "res_1"}, {"rejected": True, "allocations": []}):
        assert post(api, order, "reservation", wrong).status_code == 400
    for wrong in (place | {"variant_id": "var_1"}, {"warehouse_id": "wh_2", "quantity": 1}):
        either = post(api, order, "reservation", {**body, "allocations": [wrong]})
        assert "either order_item_id or variant_id" in either.text
    rejection = {"rejected": True, "reason": "sold out"}
    other = post(api, order, "reservation", {**rejection, "reservation_id": "res_0"})
    assert (other.status_code, other.json()["code"]) == (409, "other_reservation")
    rejected = post(api, order, "reservation", {**rejection, "reservation_id": "res_1"}).json()
    assert rejected["status"] == "cancelled"
    assert rejected["cancellation"]["reason"] == "out_of_stock"
    assert rejected["cancellation"]["note"] == "sold out"
    refused = post(api, order, "reservation", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "order_cancelled")
    assert refused.json()["allowed_actions"] == []


def test_a_client_chooses_the_payment_method_when_opening_or_placing_an_order(api):
    opened = api.post("/api/v1/orders", {**ORDER, "payment_method": "manual"}).json()
    placed = api.post(f"/api/v1/orders/{opened['id']}/place", {}).json()
    assert placed["payment_method"] == "manual"
    order = OrderFactory(status="pending")
    body = post(api, order, "place", {"payment_method": "manual"}).json()
    for each in (placed, body):
        placed_at = datetime.fromisoformat(each["placed_at"])
        expires_at = datetime.fromisoformat(each["reservation_expires_at"])
        assert expires_at - placed_at == timedelta(days=7)
    wrong = post(api, OrderFactory(status="pending"), "place", {"payment_method": "barter"})
    assert list(wrong.json()["errors"]) == ["payment_method"]


def test_an_order_is_placed_held_released_and_cancelled(api):
    order = OrderFactory(status="pending")
    assert post(api, order, "place").json()["status"] == "placed"
    held = post(api, order, "hold", {"reason": "fraud", "note": "odd"}).json()
    assert held["hold"] | {"at": None} == {
        "reason": "fraud",
        "note": "odd",
        "by": "user_1",
        "at": None,
    }
    assert "release" in held["allowed_actions"]
    assert post(api, order, "release").json()["hold"] is None
    cancelled = post(api, order, "cancel", {"reason": "customer_request"}).json()
    assert cancelled["cancellation"]["by"] == "user_1"
    refused = post(api, order, "place")
    assert (refused.status_code, refused.json()["allowed_actions"]) == (409, [])
    assert refused.json()["code"] == "invalid_transition"


def test_an_action_accepts_only_its_own_fields_and_reasons(api):
    order = OrderFactory()
    assert post(api, order, "release", {"reason": "x"}).json()["errors"] == {
        "reason": ["Unknown field."]
    }
    assert list(post(api, order, "cancel", {"reason": "bored"}).json()["errors"]) == ["reason"]
    assert list(post(api, order, "cancel").json()["errors"]) == ["reason"]


@pytest.mark.parametrize("reason", ["payment_failed", "reservation_expired"])
def test_only_the_service_gives_the_reasons_that_it_alone_knows(api, operator, reason):
    order = OrderFactory(status="confirmed")
    one = {"order_item_id": order.lines[0].id, "quantity": 1}
    for verb, more in (("cancel", {}), ("write-off", {"items": [one]})):
        refused = post(api, order, verb, {"reason": reason, **more})
        assert (refused.status_code, refused.json()["errors"]) == (
            400,
            {"reason": [f"Only the service itself gives the reason {reason}."]},
        )
        form = reverse("admin:orders_order_command", args=[order.id, verb])
        assert f'value="{reason}"' not in operator(username=verb).get(form).content.decode()
    order.refresh_from_db()
    assert order.status == "confirmed"


def test_orders_with_written_off_units_are_filtered(api):
    order = OrderFactory(status="confirmed")
    one = {"order_item_id": order.lines[0].id, "quantity": 1}
    response = post(api, order, "write-off", {"items": [one], "reason": "out_of_stock"})
    assert response.json()["items"][0]["cancelled"] == 1
    too_many = post(api, order, "write-off", {"items": [one, one], "reason": "other"})
    assert (too_many.status_code, too_many.json()["code"]) == (422, "too_many_units")

    def listed(flag):
        return [
            o["id"] for o in api.get(f"/api/v1/orders?unreleased_units={flag}").json()["results"]
        ]

    assert (listed("true"), listed("false")) == ([order.id], [])
    goods.release_written_off_units(order_id=order.id)
    assert (listed("true"), listed("false")) == ([], [order.id])


@pytest.mark.parametrize(
    ("status", "derived"),
    [
        ("placed", ("unpaid", "unfulfilled", "none")),
        ("processing", ("paid", "unfulfilled", "none")),
        ("shipped", ("paid", "shipped", "none")),
        ("delivered", ("paid", "delivered", "none")),
    ],
)
def test_derived_statuses(api, status, derived):
    order = api.get(f"/api/v1/orders/{OrderFactory(status=status).id}").json()
    names = ("payment_status", "fulfillment_status", "return_status")
    assert tuple(order[name] for name in names) == derived


def test_orders_are_filtered(api):
    one = OrderFactory(customer_id="cust_1", local_id="local_1")
    two = OrderFactory(customer_id="cust_2", status="confirmed")
    lifecycle.hold_order(order_id=two.id, reason="fraud")
    OrderFactory(organization_id="org_2")

    def ids(**query):
        return [row["id"] for row in api.get("/api/v1/orders", query).json()["results"]]

    soon = (timezone.now() + timedelta(minutes=1)).isoformat()
    assert ids() == [two.id, one.id]
    assert ids(customer="cust_1") == ids(number=one.number) == ids(local="local_1") == [one.id]
    assert ids(on_hold="true") == ids(status="confirmed") == [two.id]
    assert ids(on_hold="false") == [one.id]
    assert ids(placed_before=soon) == ids(created_before=soon) == [two.id, one.id]
    assert ids(placed_after=soon) == ids(updated_since=soon) == ids(created_after=soon) == []
    first, last = "0001-01-02T00:00:00Z", "9999-12-31T00:00:00Z"
    assert ids(created_after=first) == ids(created_before=last) == [two.id, one.id]
    assert ids(created_before=first) == ids(created_after=last) == []
    # PostgreSQL does not know this time zone, and Python does not know this year in UTC.
    assert ids(created_after="2000-01-01T00:00:00+20:25") == [two.id, one.id]
    assert ids(customer=" cust_1") == ids(local="local_1 ") == ids(cart=" ") == []
    early = "created_after=0001-01-01T00:00:00%2B01:00"
    day, local = "created_after=2025-11-25", "placed_before=2025-11-25T08:20:00"
    for wrong in (
        early,
        day,
        local,
        "updated_since=yesterday",
        "on_hold=yes",
        "placed_after=",
        "status=sold",
    ):
        assert api.get(f"/api/v1/orders?{wrong}").status_code == 400
    twice = api.get("/api/v1/orders?number=1&number=2")
    assert (twice.status_code, twice.json()["errors"]) == (400, {"number": ["Give one value."]})


def test_pages_stay_consistent_while_orders_are_added(api):
    orders = [OrderFactory() for _ in range(3)]
    first = api.get("/api/v1/orders?page_size=2").json()
    OrderFactory()
    second = api.get(first["next"]).json()
    seen = [row["id"] for row in first["results"] + second["results"]]
    assert seen == [order.id for order in reversed(orders)]
    assert second["next"] is None


def test_the_timeline_lists_all_events_in_order_byte_for_byte(api):
    order = OrderFactory()
    post(api, order, "hold", {"reason": "fraud"})
    response = api.get(f"/api/v1/orders/{order.id}/timeline?page_size=2")
    page = response.json()
    assert [e["envelope"]["event"] for e in page["results"]] == ["order.created", "order.placed"]
    assert b'"total_amount":50.00,' in response.content
    (held,) = api.get(page["next"]).json()["results"]
    assert held["envelope"]["event"] == "order.held"
    assert (held["published"], held["sequence"], held["actor"]) == (False, None, "user_1")
    assert EventRecord.objects.get(pk=held["position"]).request_id == held["request_id"]


def test_written_off_units_are_listed_until_their_stock_is_released(api):
    order = order_of(3)
    url = f"/api/v1/orders/{order.id}"
    write_off(order, 0, 1)
    listed = api.get("/api/v1/orders?unreleased_units=true").json()["results"]
    assert [row["id"] for row in listed] == [order.id]
    assert "release-units" in listed[0]["allowed_actions"]
    for _ in range(2):
        released = api.post(f"{url}/release-units")
        assert released.status_code == 200
        assert "release-units" not in released.json()["allowed_actions"]
    assert event_names(order).count("order.units_released") == 1
    assert api.get("/api/v1/orders?unreleased_units=true").json()["results"] == []
