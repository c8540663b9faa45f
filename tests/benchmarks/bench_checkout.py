"""How long a checkout takes, compared with a view without rules that inserts the same rows."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import pytest
from django.conf import settings

from orders.models import Order
from tests.benchmarks import bare_view
from tests.benchmarks.client import Client
from tests.benchmarks.measure import Line, paired, spread, table
from tests.benchmarks.stack import Stack
from tests.broker.faults import cluster, node
from tests.factories import ADDRESS, CartFactory, LineFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.benchmarks.bare_view"),
]
COUNT = 100  # checkouts in a run
CLIENTS = 20
EACH = 5  # checkouts of one client in a run
TERMS = {
    "customer_email": "juan@example.com",
    "shipping_address": ADDRESS,
    "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "7.50", "tax_rate": "0.19"},
}
keys = count()


def test_checkout(api):
    """Check out carts of two lines, with the whole WSGI stack except the socket."""

    def cart_id() -> str:
        return CartFactory(lines=[LineFactory(), LineFactory()]).id

    def check_out(path: str) -> None:
        response = api.post(path, TERMS, headers={"Idempotency-Key": f"key-{next(keys)}"})
        assert response.status_code == 201, response.content

    def run(path: str) -> float:
        paths = [path.format(cart_id()) for _ in range(COUNT)]
        took = []
        for each in paths:
            started = perf_counter()
            check_out(each)
            took.append(perf_counter() - started)
        return median(took)

    check_out(f"/api/v1/carts/{cart_id()}/checkout")
    bare_view.remember(Order.objects.get())
    pairs = paired(lambda: run("/api/v1/carts/{}/checkout"), lambda: run("/bare/{}"))
    ratios = [ours / bare for ours, bare in pairs]
    what = "checkout: time to a bare view's that inserts the same rows"
    table.append(Line(what, spread(ratios), "≤ 3.00", median(ratios) <= 3))


@pytest.mark.skipif(
    not (node.is_possible() and cluster.is_possible()),
    reason="It starts rabbitmq-server and PostgreSQL itself, which are not installed here.",
)
def test_many_clients():
    """Check out with many clients of one organization, and with as many of one each."""
    with TemporaryDirectory() as directory:
        stack = Stack(Path(settings.BASE_DIR), Path(directory) / "stack")
        try:
            stack.start()
            alone = [f"org_{number}" for number in range(CLIENTS)]
            pairs = paired(
                lambda: seconds(stack, ["org_1"] * CLIENTS), lambda: seconds(stack, alone)
            )
        finally:
            stack.stop()
    ratios = [together / apart for together, apart in pairs]
    what = f"checkouts of {CLIENTS} clients of one organization: time to that of {CLIENTS}"
    table.append(Line(what, spread(ratios), "≤ 1.10", median(ratios) <= 1.1))


def seconds(stack: Stack, organizations: list[str]) -> float:
    """Return how long it takes until each client has checked out some carts."""
    clients = [Client(stack.address, stack.token(each), stack.listener) for each in organizations]

    def check_out(client: Client) -> None:
        for _ in range(EACH):
            client.check_out()

    started = perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(check_out, clients))
    return perf_counter() - started
