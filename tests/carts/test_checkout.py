"""A checkout whose total is not the expected one, or that is sent again with other data."""

import pytest
from django.db.models import QuerySet

from carts.models import Cart
from events.models import EventRecord
from orders.models import Order
from tests.doors.test_bound_tokens import browser
from tests.factories import ADDRESS, CartFactory

pytestmark = pytest.mark.django_db

TERMS = {
    "shipping_address": ADDRESS,
    "customer_email": "ana@example.com",
    "shipping": {"carrier": "FedEx", "cost": "9.90"},
}


def check_out(api, cart, key="key-1", **terms):
    path = f"/api/v1/carts/{cart.id}/checkout"
    return api.post(path, TERMS | terms, headers={"Idempotency-Key": key})


@pytest.mark.parametrize("expected", ["59.90", "59.9", 59.9, None])
def test_the_expected_total_is_accepted(api, expected):
    bought = check_out(api, CartFactory(), expected_total=expected)
    assert (bought.status_code, bought.json()["total"]) == (201, "59.90")


@pytest.mark.parametrize("expected", ["59.91", "0", "60"])
def test_another_total_is_refused_with_the_new_one_and_nothing_happens(api, expected):
    cart, events = CartFactory(), EventRecord.objects.count()
    refused = check_out(api, cart, expected_total=expected)
    assert (refused.status_code, refused.json()["code"]) == (409, "total_differs")
    assert refused.json()["total"] == "59.90"
    assert f"The total is 59.90 USD, not {expected}: show it" in refused.json()["detail"]
    assert not Order.objects.exists()
    assert Cart.objects.get().status == "active"
    assert EventRecord.objects.count() == events
    assert check_out(api, cart, expected_total=refused.json()["total"]).status_code == 201


def test_a_customer_in_a_browser_is_not_surprised_by_a_line_of_another_tab(api):
    cart = CartFactory(customer_id="cust_ana")
    ana, body = browser(customer_id="cust_ana"), {"shipping_address": ADDRESS}
    api.patch(
        f"/api/v1/carts/{cart.id}/items/{cart.lines[0].id}",
        {"quantity": 3},
        content_type="application/json",
    )
    refused = ana.post(
        f"/api/v1/carts/{cart.id}/checkout",
        {**body, "expected_total": "50.00"},
        headers={"Idempotency-Key": "key"},
    )
    assert (refused.status_code, refused.json()["total"]) == (409, "75.00")


def test_an_order_without_a_cart_can_be_checked_too(api):
    line = {"variant_id": "var_1", "title": "A mug", "quantity": 2, "unit_price": "12.50"}
    body = {"customer_id": "cust_ana", "currency": "USD", "items": [line]}
    refused = api.post("/api/v1/orders", {**body, "expected_total": "24.99"})
    assert (refused.status_code, refused.json()["total"]) == (409, "25.00")
    assert api.post("/api/v1/orders", {**body, "expected_total": "25"}).status_code == 201


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"billing_address": None},
        {"shipping": {"cost": "9.900", "carrier": "FedEx"}},
        {"shipping_address": dict(reversed(ADDRESS.items()))},
    ],
)
def test_the_same_data_returns_the_same_order(api, same):
    cart = CartFactory()
    first, again = check_out(api, cart), check_out(api, cart, "key-2", **same)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize(
    "other",
    [
        {"shipping_address": ADDRESS | {"line1": "2 Main Street"}},
        {"shipping_address": None},
        {"customer_email": "zoe@example.com"},
        {"shipping": {"carrier": "FedEx", "cost": "9.91"}},
        {"metadata": {"gift": "yes"}},
        {"customer_note": "Ring twice."},
        {"expected_total": "59.90"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_other_data_is_a_conflict_that_names_the_order(api, other):
    cart = CartFactory()
    order = check_out(api, cart).json()
    refused = check_out(api, cart, "key-2", **other)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_checked_out")
    assert refused.json()["order_id"] == order["id"]
    assert order["id"] in refused.json()["detail"]
    assert api.get(f"/api/v1/orders/{order['id']}").json() == order


def test_a_cart_that_the_old_version_has_checked_out_returns_its_order(api):
    cart = CartFactory()
    order = check_out(api, cart).json()
    QuerySet(Cart).update(checkout_digest=None)
    again = check_out(api, cart, "key-2", customer_email="zoe@example.com")
    assert (again.status_code, again.json()["id"]) == (200, order["id"])
