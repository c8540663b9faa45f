"""What an endpoint asks of the database does not grow with what it answers, nor by accident."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orders import services
from tests.factories import ADDRESS, CartFactory, LineFactory, OrderFactory, deliver, ship

pytestmark = pytest.mark.django_db

SIZES = (1, 12)
LINE = {"variant_id": "var_1", "title": "A shirt", "quantity": 1, "unit_price": "25.00"}


def lines(count):
    return [LineFactory() for _ in range(count)]


def carts(api, size):
    [CartFactory() for _ in range(size)]
    return lambda: api.get("/api/v1/carts")


def orders(api, size):
    [OrderFactory(items=lines(size)) for _ in range(size)]
    return lambda: api.get("/api/v1/orders")


def order(api, size):
    row = OrderFactory(items=lines(size))
    return lambda: api.get(f"/api/v1/orders/{row.id}")


def timeline(api, size):
    row = OrderFactory(status="delivered")
    return lambda: api.get(f"/api/v1/orders/{row.id}/timeline")


def feed(api, size):
    return lambda: api.get("/api/v1/events")


def new_cart(api, size):
    return lambda: api.post("/api/v1/carts", {"customer_id": "cust_1", "currency": "USD"})


def new_item(api, size):
    cart = CartFactory(lines=lines(size))
    return lambda: api.post(f"/api/v1/carts/{cart.id}/items", LINE)


def new_order(api, size):
    body = {"currency": "USD", "shipping_address": ADDRESS, "items": [LINE] * size}
    return lambda: api.post("/api/v1/orders", body)


def checkout(api, size):
    cart = CartFactory(lines=lines(size))
    return lambda: api.post(
        f"/api/v1/carts/{cart.id}/checkout",
        {"shipping_address": ADDRESS},
        headers={"Idempotency-Key": "key"},
    )


def cancel(api, size):
    row = OrderFactory(items=lines(size))
    url = f"/api/v1/orders/{row.id}/cancel"
    return lambda: api.post(url, {"reason": "customer_request"})


BUDGET = {  # savepoints included
    carts: 2,
    orders: 3,
    order: 3,
    timeline: 4,
    feed: 1,
    new_cart: 8,
    new_item: 13,
    new_order: 11,
    checkout: 31,
    cancel: 15,
}


@pytest.mark.parametrize("endpoint", BUDGET)
def test_queries(api, endpoint):
    counted = []
    for size in SIZES:
        send = endpoint(api, size)
        with CaptureQueriesContext(connection) as queries:
            answer = send()
        assert answer.status_code < 300, answer.json()
        counted.append(len(queries))
    small, large = counted
    assert small == large, [q["sql"] for q in queries]
    assert large <= BUDGET[endpoint], [q["sql"][:150] for q in queries]


def write_off_everything(order):
    units = {line.id: line.quantity for line in order.lines}
    services.write_off_units(order_id=order.id, units=units, reason="other")


@pytest.mark.parametrize("step", [ship, deliver, write_off_everything])
def test_units_are_counted_in_as_many_queries_for_many_lines(step):
    counted = []
    for size in SIZES:
        order = OrderFactory(
            items=lines(size), status="shipped" if step is deliver else "processing"
        )
        with CaptureQueriesContext(connection) as queries:
            step(order)
        counted.append(len(queries))
    assert counted[0] == counted[1], [q["sql"][:150] for q in queries]
