"""How long a checkout takes, compared with a view without rules that inserts the same rows."""

from itertools import count
from statistics import median
from time import perf_counter

import pytest

from orders.models import Order
from tests.benchmarks import bare_view
from tests.benchmarks.measure import Line, paired, spread, table
from tests.factories import ADDRESS, CartFactory, LineFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.benchmarks.bare_view"),
]
COUNT = 100  # checkouts in a run
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
    table.append(Line("checkout: time to a bare view's that inserts the same rows", spread(ratios)))
