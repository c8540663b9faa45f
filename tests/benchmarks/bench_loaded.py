"""Requests, relay and recording on a database of 1,000,000 orders, compared with an empty one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from events.models import Outbox, Publication
from orders.models import Order
from tests.benchmarks import bench_recording
from tests.benchmarks.bench_relay import make_pending, record
from tests.benchmarks.lives import cancelled, delivered, live
from tests.benchmarks.measure import Line, paired, spread, table
from tests.broker.conftest import publish
from tests.factories import ADDRESS, CartFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.loaded]
BACKLOG, STREAMS = 8_000, 2_000
COUNT = 30  # requests in a run
TARGET = 1.3
LINE = {"variant_id": "var_1", "title": "A shirt", "quantity": 1, "unit_price": "25.00"}
keys = count()
Loaded = Callable[[], AbstractContextManager[Any]]


def compare(what: str, loaded: Loaded, run: Callable[[str], float]) -> None:
    """Run on both databases in turn, and add a line. `run` takes the name of the database."""

    def there() -> float:
        with loaded():
            return run("loaded")

    ratios = [full / empty for full, empty in paired(there, lambda: run("empty"))]
    what = f"{what} on 1,000,000 orders: time to that on an empty database"
    table.append(Line(what, spread(ratios), f"≤ {TARGET:.2f}", median(ratios) <= TARGET))


@pytest.mark.parametrize("purge", ["classic"], indirect=True)
def test_relay(loaded, purge):
    def run(where: str) -> float:
        make_pending(record(BACKLOG, STREAMS))
        purge()
        started = perf_counter()
        while Outbox.objects.exists():
            publish()
        return perf_counter() - started

    compare("relay", loaded, run)


def test_recording(loaded, broker, monkeypatch):
    carts: dict[str, str] = {}

    def run(where: str) -> float:
        if where not in carts:
            carts[where] = CartFactory().id
        return bench_recording.cost(carts[where], monkeypatch)

    compare("recording an event", loaded, run)


class Place:
    """A database with its clients, and the rows that their requests are about."""

    def __init__(self, api: Any) -> None:
        self.api, self.admin = api, Client()
        operator, _ = User.objects.get_or_create(
            username="benchmark", defaults={"is_staff": True, "is_superuser": True}
        )
        self.admin.force_login(operator)
        self.order = Order.objects.filter(status="delivered").latest("id")
        self.late = Publication.objects.latest("position").position - 100
        orders = Order.objects.order_by("id")
        self.long_ago = orders[orders.count() // 2].created_at.isoformat()

    def cart(self) -> str:
        return CartFactory(lines=[]).id

    def filled(self) -> str:
        return CartFactory().id

    def nothing(self) -> None:
        """The request needs no row of its own."""


Send = Callable[[Place, Any], Any]  # sends a request about a row that was created before


def get(path: str, **query: object) -> Send:
    """Get a page of the API. Names in braces are attributes of the place."""

    def send(place: Place, _: None) -> Any:
        return place.api.get(f"/api/v1{path}".format(order=place.order.id), _format(query, place))

    return send


def look(path: str, **query: object) -> Send:
    """Open a list of the admin."""
    return lambda place, _: place.admin.get(f"/admin/{path}/", _format(query, place))


def post(path: str, body: dict[str, Any]) -> Send:
    def send(place: Place, cart: str | None) -> Any:
        key = {"Idempotency-Key": f"key-{timezone.now().timestamp()}-{next(keys)}"}
        return place.api.post(f"/api/v1{path}".format(cart), body, headers=key)

    return send


def _format(query: dict[str, Any], place: Place) -> dict[str, Any]:
    return {
        name: str(value).format(number=place.order.number, **vars(place))
        for name, value in query.items()
    }


TERMS = {"customer_email": "juan@example.com", "shipping_address": ADDRESS}
REQUESTS: dict[str, tuple[Send, Callable[[Place], Any]]] = {
    "open a cart": (post("/carts", {"customer_id": "cust_1", "currency": "USD"}), Place.nothing),
    "add an item": (post("/carts/{}/items", LINE), Place.cart),
    "check out": (post("/carts/{}/checkout", TERMS), Place.filled),
    "an order": (get("/orders/{order}"), Place.nothing),
    "its timeline": (get("/orders/{order}/timeline"), Place.nothing),
    "orders": (get("/orders"), Place.nothing),
    "delivered orders": (get("/orders", status="delivered"), Place.nothing),
    "pending orders": (get("/orders", status="pending"), Place.nothing),
    "orders created long ago": (get("/orders", created_before="{long_ago}"), Place.nothing),
    "orders placed long ago": (get("/orders", placed_before="{long_ago}"), Place.nothing),
    "the feed": (get("/events", after="{late}"), Place.nothing),
    "payments": (get("/payments"), Place.nothing),
    "shipments": (get("/shipments"), Place.nothing),
    "admin: orders": (look("orders/order"), Place.nothing),
    "admin: orders on hold": (look("orders/order", queue="held"), Place.nothing),
    "admin: an order's number": (look("orders/order", q="{number}"), Place.nothing),
    "admin: overview": (lambda place, _: place.admin.get("/admin/"), Place.nothing),
}


def test_requests(loaded, caller):
    """Over the whole WSGI stack but the socket; a page is full in the empty database too."""
    for _ in range(25):
        live(delivered)
        live(cancelled)
    places = {"empty": Place(caller())}
    with loaded():
        places["loaded"] = Place(caller())
    for name, (ask, before) in REQUESTS.items():

        def run(where: str, ask: Send = ask, before: Callable[[Place], Any] = before) -> float:
            place, took = places[where], []
            for _ in range(COUNT):
                made = before(place)
                started = perf_counter()
                response = ask(place, made)
                took.append(perf_counter() - started)
                assert response.status_code < 300, response.content
            return median(took)

        compare(name, loaded, run)
