"""How much an organization notices of a busy neighbour, with the processes of compose.yaml.

The neighbour renders 15 invoices of 500 lines with CJK titles, fills carts without a pause, and its
gateway hangs; the mail server hangs for all.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import pytest
from django.conf import settings

from tests.benchmarks.client import Client
from tests.benchmarks.measure import Line, percentile, spread, table
from tests.benchmarks.stack import Stack
from tests.broker.faults import cluster, node
from tests.factories import ADDRESS

INVOICES, LINES, ORDERS = 15, 500, 40
TITLE = "陶器のマグカップ 手作り 青 限定版 " * 6

pytestmark = pytest.mark.skipif(
    not (node.is_possible() and cluster.is_possible()),
    reason="It starts rabbitmq-server and PostgreSQL itself, which are not installed here.",
)


class Figures(NamedTuple):
    """Seconds of one organization, and the machine's load."""

    confirmed: list[float]  # from the request to pay until `order.confirmed` is at a consumer
    reads: list[float]  # a list of 25 orders, and an order
    load: float


@contextmanager
def hanging_server() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    kept.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for each in kept:
            each.close()


@pytest.fixture
def stack() -> Iterator[Stack]:
    with TemporaryDirectory() as directory, hanging_server() as nowhere:
        made = Stack(
            Path(settings.BASE_DIR),
            Path(directory) / "stack",
            EMAIL_URL=f"smtp://{nowhere}",
            STRIPE_API_KEY="sk_test_1",
            STRIPE_API_BASE=f"http://{nowhere}",
        )
        try:
            made.start()
            yield made
        finally:
            made.stop()


def order_of(client: Client, lines: int, title: str) -> Any:
    """Open and place an order."""
    item = {"title": title[:255], "quantity": 1, "unit_price": "1.50", "tax_rate": "0.16"}
    items = [item | {"variant_id": f"var_{n}"} for n in range(lines)]
    body = {"currency": "USD", "items": items, "customer_email": "juan@example.com"}
    order = client.post("order", "/orders", body | {"shipping_address": ADDRESS})
    return client.post("place", f"/orders/{order['id']}/place", {})


def pay(client: Client, order: Any, method: str = "sandbox", token: str = "tok_ok") -> None:
    body = {"order_id": order["id"], "payment_method": method, "gateway_token": token}
    client.post("payment", "/payments", body)


def measure(client: Client) -> Figures:
    confirmed, reads = [], []
    for _ in range(ORDERS):
        order = order_of(client, 2, "A mug")
        started = perf_counter()
        pay(client, order)
        client.listener.expect(order["id"], "order.confirmed")
        confirmed.append(perf_counter() - started)
        for path in ("/orders", f"/orders/{order['id']}"):
            started = perf_counter()
            client.get(path)
            reads.append(perf_counter() - started)
        time.sleep(0.25)  # a quiet organization orders at times, its neighbour always
    return Figures(confirmed, reads, os.getloadavg()[0])


def disturb(stack: Stack, stop: threading.Event) -> None:
    """Let the neighbour work until `stop` is set."""

    def client() -> Client:
        return Client(stack.address, stack.token("org_busy"), stack.listener)

    def fill_carts() -> None:
        busy = client()
        with suppress(OSError, HTTPException):  # the stack stops
            while not stop.is_set():
                busy.check_out()

    def call_gateway() -> None:
        while not stop.is_set():
            with suppress(Exception):  # it times out, or is refused as busy
                busy = client()
                pay(busy, order_of(busy, 1, "A mug"), "stripe", "pm_card_visa")

    with stack.database() as database:
        insert = "INSERT INTO payments_paymentaccount (organization_id, stripe_account)"
        database.execute(f"{insert} VALUES ('org_busy', 'acct_1')")
    busy = client()
    for _ in range(INVOICES):
        pay(busy, order_of(busy, LINES, TITLE))
    for work in (fill_carts, fill_carts, call_gateway, call_gateway):
        threading.Thread(target=work, daemon=True).start()


def rendered(stack: Stack) -> int:
    with stack.database() as database:
        (count,) = database.execute(
            "SELECT count(*) FROM invoices_document WHERE rendered_at IS NOT NULL"
        ).fetchone()
        return int(count)


def test_a_busy_neighbour(stack):
    client = Client(stack.address, stack.token("org_quiet"), stack.listener)
    measure(client)  # warms the processes
    calm, stop = measure(client), threading.Event()
    disturb(stack, stop)
    before = rendered(stack)
    busy = measure(client)
    documents = rendered(stack) - before
    stop.set()
    latest, ratio = percentile(busy.confirmed, 95), median(busy.reads) / median(calm.reads)
    what = f"of an organization whose neighbour renders ({documents} documents meanwhile)"
    table.extend(
        [
            Line(
                f"from the payment to order.confirmed {what}, seconds",
                f"calm {spread(calm.confirmed)}, busy {spread(busy.confirmed)}, "
                f"95th percentile {latest:.2f}; load {calm.load:.1f} and {busy.load:.1f}",
                "≤ 1.00 at the 95th percentile",
                latest <= 1,
            ),
            Line(
                "reads of the same organization, milliseconds",
                f"calm {1000 * median(calm.reads):.0f}, busy {1000 * median(busy.reads):.0f}; "
                f"ratio {ratio:.2f}",
                "≤ 2 times",
                ratio <= 2,
            ),
        ]
    )
