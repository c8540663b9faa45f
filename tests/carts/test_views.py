"""The REST API of carts."""

import pytest

from carts.models import Cart
from orders.models import Order
from payments.models import PaymentAccount
from tests.factories import ADDRESS, CartFactory
from tests.log import event_data

pytestmark = pytest.mark.django_db

ITEM = {"variant_id": "var_1", "title": "A shirt", "quantity": 2, "unit_price": "25.00"}


def check_out(api, cart, key="key-1", **terms):
    return api.post(
        f"/api/v1/carts/{cart.id}/checkout",
        {"shipping_address": ADDRESS, **terms},
        headers={"Idempotency-Key": key},
    )


def test_a_cart_is_filled_and_checked_out(api):
    created = api.post("/api/v1/carts", {"session_id": "sess_1", "currency": "USD"})
    assert created.status_code == 201
    url = f"/api/v1/carts/{created.json()['id']}"
    added = api.post(f"{url}/items", {**ITEM, "tax_rate": "0.19"})
    assert added.status_code == 201
    (item,) = added.json()["items"]
    assert (item["unit_price"], item["tax_rate"], item["quantity"]) == ("25.00", "0.19", 2)
    changed = api.patch(
        f"{url}/items/{item['id']}", {"quantity": 3}, content_type="application/json"
    )
    assert (changed.status_code, changed.json()["value"]) == (200, "75.00")
    bought = check_out(api, Cart.objects.get())
    assert bought.status_code == 201
    order = bought.json()
    assert (order["status"], order["total"], order["currency"]) == ("placed", "89.25", "USD")
    cart = api.get(url).json()
    assert (cart["status"], cart["order_id"]) == ("converted", order["id"])
    assert cart["allowed_actions"] == []


def test_removing_a_line_again_returns_404(api):
    cart = CartFactory()
    url = f"/api/v1/carts/{cart.id}/items/{cart.lines[0].id}"
    removed = api.delete(url)
    assert (removed.status_code, removed.json()["items"]) == (200, [])
    assert api.delete(url).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1_000_001}, "quantity"),
        ({"unit_price": "-1"}, "unit_price"),
        ({"unit_price": "NaN"}, "unit_price"),
        ({"tax_rate": "19"}, "tax_rate"),
        ({"variant_id": "v" * 65}, "variant_id"),
        ({"title": ""}, "title"),
        ({"title": 7}, "title"),
        ({"quantity": "2"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_invalid_line_is_refused_with_its_field(api, change, field):
    response = api.post(f"/api/v1/carts/{CartFactory(lines=[]).id}/items", {**ITEM, **change})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [field]


def test_a_cart_without_an_owner_or_with_an_invalid_currency_is_refused(api):
    response = api.post("/api/v1/carts", {"currency": "USD"})
    assert "customer_id or a session_id" in response.json()["errors"]["non_field_errors"][0]
    response = api.post("/api/v1/carts", {"customer_id": "cust_1", "currency": "usd"})
    assert list(response.json()["errors"]) == ["currency"]


@pytest.mark.parametrize(
    ("given", "at_checkout", "ordered"),
    [
        ({"locale": "es-MX"}, {}, "es-MX"),
        ({"locale": "es-MX"}, {"locale": None}, "es-MX"),
        ({"locale": "es-MX"}, {"locale": "en"}, "en"),
        ({}, {"locale": "en"}, "en"),
        ({}, {}, None),  # the documents are in the language of the organization
    ],
)
def test_an_order_takes_the_language_of_its_cart_unless_checkout_names_another(
    api, given, at_checkout, ordered
):
    created = api.post("/api/v1/carts", {"customer_id": "cust_1", "currency": "USD", **given})
    assert created.json()["locale"] == given.get("locale")
    cart = Cart.objects.get()
    api.post(f"/api/v1/carts/{cart.id}/items", ITEM)
    assert check_out(api, cart, **at_checkout).json()["locale"] == ordered


def test_a_cart_in_an_unknown_language_is_refused(api):
    wrong = {"customer_id": "cust_1", "currency": "USD", "locale": "Klingon"}
    assert list(api.post("/api/v1/carts", wrong).json()["errors"]) == ["locale"]


@pytest.mark.parametrize("field", ["shipping", "discount"])
def test_what_changes_the_total_at_checkout_needs_a_scope_of_its_own(caller, field):
    values = {
        "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "0"},
        "discount": {"amount": "49.99"},
    }
    cart, client = CartFactory(), caller(scope="carts:fill carts:checkout")
    refused = check_out(client, cart, **{field: values[field]})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert "carts:price" in refused.json()["detail"]
    assert not Order.objects.exists()
    assert check_out(client, cart, key="key-2").status_code == 201


@pytest.mark.parametrize("method", ["invoice", "cash_on_delivery"])
def test_who_may_not_price_does_not_buy_on_account(caller, method):
    PaymentAccount.objects.create(organization_id="org_1", invoice_days=14, cash_on_delivery=True)
    cart, client = CartFactory(), caller(scope="carts:fill carts:checkout")
    refused = check_out(client, cart, payment_method=method)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert "carts:price" in refused.json()["detail"]
    assert not Order.objects.exists()
    assert (
        check_out(client, cart, key="key-2", payment_method="manual").json()["status"] == "placed"
    )
    shop = caller(scope="carts:fill carts:checkout carts:price")
    bought = check_out(shop, CartFactory(), key="key-3", payment_method=method)
    assert bought.json()["status"] == "confirmed"


def test_checkout_needs_an_idempotency_key(api):
    response = api.post(f"/api/v1/carts/{CartFactory().id}/checkout", {"shipping_address": ADDRESS})
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_required")
    assert not Order.objects.exists()


def test_a_repeated_checkout_returns_200_with_the_same_order(api):
    cart = CartFactory()
    first, replayed, again = (check_out(api, cart, key) for key in ("a", "a", "b"))
    assert [r.status_code for r in (first, replayed, again)] == [201, 201, 200]
    assert first.json()["id"] == replayed.json()["id"] == again.json()["id"]
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in again.headers


def test_an_order_that_will_be_paid_by_bank_transfer_waits_for_days(api):
    order = check_out(api, CartFactory(), payment_method="manual").json()
    assert order["payment_method"] == "manual"
    assert event_data(Order.objects.get(), "order.placed")["reservation_ttl_minutes"] == 10_080


def test_an_empty_cart_cannot_be_checked_out(api):
    response = check_out(api, CartFactory(lines=[]))
    assert response.status_code == 409
    assert response.json()["allowed_actions"] == ["add_item", "change_item", "remove_item", "merge"]


def test_a_guest_cart_is_merged_into_a_customer_cart(api):
    guest, cart = CartFactory(customer_id=None, session_id="sess_1"), CartFactory()
    response = api.post(f"/api/v1/carts/{guest.id}/merge", {"into": cart.id})
    assert (response.json()["id"], response.json()["items_count"]) == (cart.id, 4)
    assert api.get(f"/api/v1/carts/{guest.id}").json()["merged_into"] == cart.id


@pytest.mark.parametrize("into", ["foreign", "cart_x", "a\x00b", None, 1, [], ""])
def test_merging_into_a_cart_of_another_organization_is_refused(api, into):
    if into == "foreign":
        into = CartFactory(organization_id="org_2").id
    response = api.post(f"/api/v1/carts/{CartFactory().id}/merge", {"into": into})
    assert (response.status_code, list(response.json()["errors"])) == (400, ["into"])


def test_carts_are_listed_newest_first_and_filtered(api):
    guest = CartFactory(customer_id=None, session_id="sess_1")
    cart = CartFactory()
    CartFactory(organization_id="org_2")

    def ids(query):
        return [row["id"] for row in api.get(f"/api/v1/carts?{query}").json()["results"]]

    assert ids("") == [cart.id, guest.id]
    assert ids("session=sess_1") == [guest.id]
    assert ids("customer=cust_789&status=active&status=merged") == [cart.id]
    assert ids("status=expired") == []
    assert api.get("/api/v1/carts?status=sold").status_code == 400
    assert list(api.get("/api/v1/carts?customer=").json()["errors"]) == ["customer"]
    assert api.get("/api/v1/carts?custmer=cust_789").json()["errors"] == {
        "custmer": ["Unknown parameter."]
    }


@pytest.mark.parametrize("name", ["customer", "session"])
def test_spaces_in_ids_are_significant(api, name):
    cart = CartFactory(**{f"{name}_id": "id_1 "})
    CartFactory(**{f"{name}_id": "id_1"})
    (found,) = api.get("/api/v1/carts", {name: "id_1 "}).json()["results"]
    assert found["id"] == cart.id
    assert list(api.get("/api/v1/carts", {name: "x" * 65}).json()["errors"]) == [name]


def test_removing_a_line_accepts_no_body(api):
    cart = CartFactory()
    url = f"/api/v1/carts/{cart.id}/items/{cart.lines[0].id}"
    for body in ({"foo": 1}, {"actor": "picker_1"}):
        response = api.delete(url, body, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert api.get(f"/api/v1/carts/{cart.id}").json()["items_count"] == 2


@pytest.mark.parametrize("quantity", [0.5, 1.25])
def test_a_fraction_of_a_unit_is_refused_with_what_to_do(api, quantity):
    cart = CartFactory()
    line = f"/api/v1/carts/{cart.id}/items/{cart.lines[0].id}"
    for refused in (
        api.post(f"/api/v1/carts/{cart.id}/items", {**ITEM, "quantity": quantity}),
        api.patch(line, {"quantity": quantity}, content_type="application/json"),
    ):
        assert refused.status_code == 400
        assert refused.json()["errors"]["quantity"] == [
            "Fractional quantities are not supported: sell in a smaller unit, such as grams or "
            "centimeters."
        ]
