"""A token that is bound to a customer or a guest sees and changes their rows only."""

from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from carts.models import Cart
from config.api.authentication import CUSTOMER_SCOPES
from events.models import EventRecord
from orders.models import Order
from tests.api.test_routes import ROUTES, send, url_of
from tests.conftest import Api
from tests.factories import ADDRESS, CartFactory, OrderFactory
from tests.returns.factories import request as request_return

pytestmark = pytest.mark.django_db
ORIGIN = "https://shop.example.com"


def browser(**bound):
    """Return a client whose token is bound, and has every scope otherwise."""
    claims = {
        "sub": "user_1",
        "organization_id": "org_1",
        "scope": "*",
        "exp": timezone.now() + timedelta(minutes=5),
        **bound,
    }
    token = jwt.encode(claims, settings.JWT_SECRET, "HS256")
    return Api(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def ana():
    return browser(customer_id="cust_ana")


@pytest.fixture
def guest():
    return browser(session_id="sess_1")


def check_out(client, cart, key="key-1"):
    path, body = f"/api/v1/carts/{cart}/checkout", {"shipping_address": ADDRESS}
    return client.post(path, body, headers={"Idempotency-Key": key})


@pytest.mark.parametrize("bound", [{"customer_id": "cust_other"}, {"session_id": "sess_other"}])
@pytest.mark.parametrize(("method", "name", "scope"), ROUTES)
def test_no_route_shows_or_changes_the_rows_of_others(bound, method, name, scope):
    url, before = url_of(name), EventRecord.objects.count()
    response = send(browser(**bound), method, url)
    if scope not in CUSTOMER_SCOPES:
        assert (response.status_code, response.json()["code"]) == (403, "missing_scope")
    elif name.endswith("-list"):
        assert response.status_code == 400 or response.json()["results"] == []
    else:
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert EventRecord.objects.count() == before


def test_a_customer_shops_at_the_prices_of_the_back_end(ana, api):
    opened = ana.post("/api/v1/carts", {"customer_id": "cust_ana", "currency": "USD"})
    assert opened.status_code == 201
    cart = f"/api/v1/carts/{opened.json()['id']}"
    line = {"variant_id": "var_1", "title": "A shirt", "quantity": 1, "unit_price": "0.01"}
    assert ana.post(f"{cart}/items", line).status_code == 403
    priced = api.post(f"{cart}/items", line | {"unit_price": "25.00"}).json()
    item = f"{cart}/items/{priced['items'][0]['id']}"
    changed = ana.patch(item, {"quantity": 2}, content_type="application/json")
    assert changed.json()["value"] == "50.00"
    discount = {"shipping_address": ADDRESS, "discount": {"amount": "49.99"}}
    refused = ana.post(f"{cart}/checkout", discount, headers={"Idempotency-Key": "key-0"})
    assert refused.status_code == 403
    bought = check_out(ana, opened.json()["id"])
    assert (bought.status_code, bought.json()["total"]) == (201, "50.00")
    order = f"/api/v1/orders/{bought.json()['id']}"
    assert ana.get(order).json()["customer_id"] == "cust_ana"
    cancelled = ana.post(f"{order}/cancel", {"reason": "customer_request"})
    assert cancelled.json()["status"] == "cancelled"


@pytest.mark.parametrize(
    "owner", [{"customer_id": "cust_ben"}, {"customer_id": "cust_ana", "session_id": "sess_1"}]
)
def test_a_customer_opens_no_cart_of_another_owner(ana, owner):
    response = ana.post("/api/v1/carts", owner | {"currency": "USD"})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert not Cart.objects.exists()


def test_a_repeated_checkout_does_not_show_why_the_order_is_on_hold(ana, api):
    cart = CartFactory(customer_id="cust_ana")
    order = f"/api/v1/orders/{check_out(ana, cart.id).json()['id']}"
    held = api.post(f"{order}/hold", {"reason": "address", "note": "The card may be stolen."})
    assert held.status_code == 200
    again = check_out(ana, cart.id, key="key-2")
    assert (again.status_code, again.json()["hold"]) == (200, None)
    assert ana.get(order).json()["hold"] is None
    assert check_out(api, cart.id).json()["hold"]["note"] == "The card may be stolen."


def test_a_guest_sees_the_orders_of_the_session_and_none_of_a_customer(guest):
    carts = [
        CartFactory(customer_id=None, session_id="sess_1"),
        CartFactory(customer_id="cust_ana", session_id="sess_1"),
        CartFactory(customer_id=None, session_id="sess_2"),
    ]
    assert [check_out(guest, cart.id).status_code for cart in carts] == [201, 404, 404]
    (order,) = guest.get("/api/v1/orders").json()["results"]
    assert order["cart_id"] == carts[0].id
    check_out(browser(customer_id="cust_ana"), carts[1].id)
    assert len(guest.get("/api/v1/orders").json()["results"]) == 1
    assert Order.objects.count() == 2


def test_a_token_that_is_bound_to_both_merges_the_carts():
    cart = CartFactory(customer_id=None, session_id="sess_1")
    into = CartFactory(customer_id="cust_ana")
    path, body = f"/api/v1/carts/{cart.id}/merge", {"into": into.id}
    for bound in ({"session_id": "sess_1"}, {"customer_id": "cust_ana"}):
        assert browser(**bound).post(path, body).status_code in (400, 404)
    both = browser(session_id="sess_1", customer_id="cust_ana")
    assert both.post(path, body).json()["id"] == into.id


def test_a_customer_requests_a_return_of_own_orders_only(ana):
    own, other = (
        OrderFactory(status="delivered", customer_id=each) for each in ("cust_ana", "cust_ben")
    )
    request_return(other)
    for order, status in [(own, 201), (other, 400)]:
        items = [{"order_item_id": order.lines[0].id, "quantity": 1}]
        body = {"order_id": order.id, "reason": "wrong_size", "items": items}
        assert ana.post("/api/v1/returns", body).status_code == status
    assert len(ana.get("/api/v1/returns").json()["results"]) == 1


def test_a_customer_does_not_see_why_an_order_is_on_hold(ana, api):
    order = OrderFactory(customer_id="cust_ana", status="confirmed")
    path = f"/api/v1/orders/{order.id}"
    api.post(f"{path}/hold", {"reason": "fraud", "note": "a stolen card"})
    assert api.get(path).json()["hold"]["reason"] == "fraud"
    assert ana.get(path).json()["hold"] is None
    shown = ana.get(f"{path}/timeline").json()["results"]
    names = {entry["envelope"]["event"] for entry in shown}
    assert names == {"order.created", "order.placed", "order.confirmed"}


def test_two_customers_may_use_the_same_idempotency_key():
    carts = {each: CartFactory(customer_id=each).id for each in ("cust_ana", "cust_ben")}
    orders = {
        check_out(browser(customer_id=each), cart).json()["id"] for each, cart in carts.items()
    }
    assert len(orders) == 2
    body = {"currency": "USD"}
    opened = [
        browser(customer_id=each)
        .post("/api/v1/carts", body | {"customer_id": each}, headers={"Idempotency-Key": "key"})
        .json()["customer_id"]
        for each in carts
    ]
    assert opened == ["cust_ana", "cust_ben"]


@pytest.mark.parametrize("bound", [{"customer_id": ""}, {"session_id": None}, {"customer_id": 7}])
def test_a_token_that_is_bound_to_nobody_is_refused(bound):
    response = browser(**bound).get("/api/v1/orders")
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


def preflight(client, origin):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key",
    }
    return client.options("/api/v1/carts", headers=headers)


def test_only_pages_of_allowed_origins_may_call_the_api(client, ana, settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    allowed = preflight(client, ORIGIN)
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "idempotency-key" in allowed.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in preflight(client, "https://evil.example").headers
    answer = ana.get("/api/v1/orders", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    admin = client.get(reverse("admin:login"), headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in admin.headers
