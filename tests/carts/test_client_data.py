"""Metadata, references and notes: from the cart to its order, found, bounded, and hidden."""

import pytest

from carts.models import Cart, CartItem
from events.models import EventRecord
from orders.models import Order, OrderItem
from tests.doors.test_bound_tokens import browser
from tests.factories import ADDRESS

pytestmark = pytest.mark.django_db

GIVEN = {
    "metadata": {"campaign": "mother's day", "channel": "kiosk"},
    "external_reference": "web-4711",
    "customer_note": "Ring twice, please.",
    "internal_note": "A regular.",
}
OF_LINE = {
    "metadata": {"engraving": "Zoë & Ana"},
    "external_reference": "web-4711-1",
    "customer_note": "Wrap it.",
    "internal_note": "The last one.",
}
LINE = {"variant_id": "var_1", "title": "A ring", "quantity": 1, "unit_price": "25.00"}
OPEN = {"customer_id": "cust_ana", "currency": "USD"}


def open_cart(api, *lines, **given):
    cart = api.post("/api/v1/carts", {**OPEN, **given}).json()
    for line in lines:
        cart = api.post(f"/api/v1/carts/{cart['id']}/items", {**LINE, **line}).json()
    return cart


def check_out(api, cart, **terms):
    path, key = f"/api/v1/carts/{cart['id']}/checkout", {"Idempotency-Key": "key"}
    return api.post(path, {"shipping_address": ADDRESS, **terms}, headers=key)


def part(row):
    return {name: row[name] for name in GIVEN}


def test_an_order_and_its_lines_have_what_the_cart_has(api):
    cart = open_cart(api, OF_LINE, purchase_order_number="PO-7", **GIVEN)
    assert part(cart) == GIVEN
    assert part(cart["items"][0]) == OF_LINE
    order = check_out(api, cart).json()
    for row in (order, api.get(f"/api/v1/orders/{order['id']}").json()):
        assert part(row) == GIVEN
        assert row["purchase_order_number"] == "PO-7"
        assert part(row["items"][0]) == OF_LINE


def test_checkout_can_say_it_anew(api):
    cart = open_cart(api, {}, purchase_order_number="PO-7", **GIVEN)
    new = {"metadata": {}, "external_reference": "web-4712", "customer_note": None}
    order = check_out(api, cart, purchase_order_number="PO-8", **new).json()
    assert order["purchase_order_number"] == "PO-8"
    assert part(order) == GIVEN | {"metadata": {}, "external_reference": "web-4712"}


def test_a_merged_cart_takes_what_it_lacks_from_the_guests(api):
    guest = open_cart(api, OF_LINE, customer_id=None, session_id="sess_1", **GIVEN)
    into = open_cart(api, OF_LINE, metadata={"vip": "yes"}, purchase_order_number="PO-7")
    merged = api.post(f"/api/v1/carts/{guest['id']}/merge", {"into": into["id"]}).json()
    assert part(merged) == GIVEN | {"metadata": {"vip": "yes"}}
    assert [item["quantity"] for item in merged["items"]] == [2]


@pytest.mark.parametrize("name", OF_LINE)
def test_units_that_differ_in_it_have_lines_of_their_own(api, name):
    cart = open_cart(api, OF_LINE, OF_LINE | {name: {} if name == "metadata" else None}, OF_LINE)
    assert [item["quantity"] for item in cart["items"]] == [2, 1]


def test_an_order_without_a_cart_has_it_too(api):
    body = {**OPEN, **GIVEN, "purchase_order_number": "PO-7", "items": [{**LINE, **OF_LINE}]}
    order = api.post("/api/v1/orders", body).json()
    assert part(order) == GIVEN
    assert (order["purchase_order_number"], part(order["items"][0])) == ("PO-7", OF_LINE)
    plain = api.post("/api/v1/orders", {**OPEN, "items": [LINE]}).json()
    assert part(plain) == dict.fromkeys(GIVEN) | {"metadata": {}}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("metadata", [], "Send an object"),
        ("metadata", "engraving", "Send an object"),
        ("metadata", {str(n): "x" for n in range(21)}, "At most 20 entries"),
        ("metadata", {"": "x"}, "A key has 1 to 40"),
        ("metadata", {"k" * 41: "x"}, "A key has 1 to 40"),
        ("metadata", {"a:b": "x"}, "no colon: “a:b”"),
        ("metadata", {"a\n": "x"}, "A key has 1 to 40"),
        ("metadata", {"a": "x" * 501}, "The value of “a” must be a text of at most 500"),
        ("metadata", {"a": 5}, "The value of “a” must be a text"),
        ("metadata", {"a": None}, "The value of “a” must be a text"),
        ("metadata", {"a": "\x00"}, "The value of “a” must be a text"),
        ("metadata", {"a": "\ud800"}, "The value of “a” must be a text"),
        ("external_reference", "x" * 65, "64 characters"),
        ("external_reference", "a\nb", "printable"),
        ("customer_note", "x" * 1001, "1000 characters"),
        ("internal_note", "x" * 1001, "1000 characters"),
        ("purchase_order_number", "x" * 65, "64 characters"),
    ],
)
def test_what_is_too_large_or_not_storable_is_refused_with_the_reason(api, field, value, message):
    cart = open_cart(api, {})
    order = {**OPEN, "items": [LINE]}
    refused = [
        (api.post("/api/v1/carts", {**OPEN, field: value}), field),
        (check_out(api, cart, **{field: value}), field),
        (api.post("/api/v1/orders", {**order, field: value}), field),
    ]
    if field != "purchase_order_number":
        line = {**LINE, field: value}
        added = api.post(f"/api/v1/carts/{cart['id']}/items", line)
        ordered = api.post("/api/v1/orders", {**order, "items": [line]})
        refused += [(added, field), (ordered, f"items[0].{field}")]
    for response, path in refused:
        assert response.status_code == 400
        assert message in response.json()["errors"][path][0]


def test_the_largest_that_is_accepted_is_stored_as_it_is(api):
    largest = {
        "metadata": {f"{n:02}" + "ñ" * 38: " 😀" * 250 for n in range(20)},
        "external_reference": " x" * 32,
        "customer_note": "ñ" * 1000,
        "internal_note": "x" * 1000,
    }
    cart = open_cart(api, largest, **largest)
    order = check_out(api, cart).json()
    assert part(order) == part(order["items"][0]) == largest


@pytest.mark.parametrize("resource", ["carts", "orders"])
class TestFinding:
    @pytest.fixture
    def found(self, api, resource):
        """Return a function that returns which of two carts, or of their orders, a query finds."""
        for number, name in enumerate(("Ana", "Zoë"), 1):
            line = {"metadata": {"x": "y"}, "external_reference": f"line {number}"}
            metadata = {"engraving": name, "0": "a:b"}
            given = {"metadata": metadata, "external_reference": f"web-{number}"}
            po = {"purchase_order_number": f"PO {number}"}
            cart = open_cart(api, line, line | {"title": "Another"}, **given, **po)
            check_out(api, cart)
        open_cart(api, {})

        def find(**query):
            response = api.get(f"/api/v1/{resource}", query)
            assert response.status_code == 200, response.json()
            return [row["external_reference"] for row in response.json()["results"]]

        return find

    @pytest.mark.parametrize(
        "query",
        [
            {"external_reference": "web-2"},
            {"purchase_order_number": "PO 2"},
            {"item_reference": "line 2"},
            {"metadata": "engraving:Zoë"},
        ],
    )
    def test_one_is_found_by_each_reference(self, found, query):
        assert found(**query) == ["web-2"]
        ((name, value),) = query.items()
        assert found(**{name: f"{value} "}) == []

    def test_metadata_is_found_by_a_whole_entry(self, found):
        assert found(metadata="0:a:b") == ["web-2", "web-1"]
        assert found(metadata="0:a:b", external_reference="web-1") == ["web-1"]
        for other in ("0:a", "engraving:", "Zoë:engraving", "x:y"):
            assert found(metadata=other) == []

    @pytest.mark.parametrize("entry", ["engraving", ":Ana", f"{'k' * 41}:x", f"k:{'x' * 540}"])
    def test_what_is_no_entry_is_refused(self, api, resource, entry):
        response = api.get(f"/api/v1/{resource}", {"metadata": entry})
        assert (response.status_code, list(response.json()["errors"])) == (400, ["metadata"])


def test_a_reference_of_another_organization_is_not_found(api, caller):
    open_cart(api, OF_LINE, **GIVEN)
    other = caller(scope="*", organization="org_2")
    for query in ("external_reference=web-4711", "item_reference=web-4711-1"):
        assert len(api.get(f"/api/v1/carts?{query}").json()["results"]) == 1
        assert other.get(f"/api/v1/carts?{query}").json()["results"] == []


class TestACustomersBrowser:
    def test_it_does_not_see_internal_notes(self, api):
        ana = browser(customer_id="cust_ana")
        cart = open_cart(api, OF_LINE, **GIVEN)
        order = check_out(api, cart).json()
        hidden = {"internal_note": None}
        for path in (f"/carts/{cart['id']}", f"/orders/{order['id']}"):
            shown = ana.get(f"/api/v1{path}").json()
            assert part(shown) == GIVEN | hidden
            assert part(shown["items"][0]) == OF_LINE | hidden
        for resource in ("carts", "orders"):
            (row,) = ana.get(f"/api/v1/{resource}?expand=items").json()["results"]
            assert part(row) == GIVEN | hidden
            assert part(row["items"][0]) == OF_LINE | hidden
        assert part(check_out(ana, cart).json()) == GIVEN | hidden

    def test_it_writes_no_internal_note(self, api):
        ana, note = browser(customer_id="cust_ana"), {"internal_note": "Pay me."}
        own = {name: value for name, value in GIVEN.items() if name != "internal_note"}
        assert part(ana.post("/api/v1/carts", OPEN | own).json()) == own | {"internal_note": None}
        cart = open_cart(api, {}, **GIVEN)
        refusals = [
            ana.post("/api/v1/carts", OPEN | note),
            check_out(ana, cart, **note),
            ana.post(f"/api/v1/carts/{cart['id']}/items", LINE | note),
        ]
        assert {(r.status_code, r.json()["code"]) for r in refusals} == {(403, "missing_scope")}
        order = check_out(ana, cart, customer_note="Mine").json()
        stored = Order.objects.get(pk=order["id"])
        assert (stored.internal_note, stored.customer_note) == ("A regular.", "Mine")

    def test_a_back_end_that_sets_no_prices_writes_no_internal_note(self, caller):
        filler = caller(scope="carts:fill")
        assert filler.post("/api/v1/carts", OPEN | {"internal_note": "x"}).status_code == 403
        assert filler.post("/api/v1/carts", OPEN | {"customer_note": "x"}).status_code == 201


def test_no_event_has_it(api):
    secret = dict.fromkeys(GIVEN, "Zanzibar") | {"metadata": {"Zanzibar": "Zanzibar"}}
    cart = open_cart(api, secret, purchase_order_number="Zanzibar", **secret)
    check_out(api, cart)
    assert Cart.objects.get().metadata
    assert OrderItem.objects.get().metadata
    assert CartItem.objects.get().internal_note == "Zanzibar"
    assert not [event.name for event in EventRecord.objects.all() if "Zanzibar" in event.body]
