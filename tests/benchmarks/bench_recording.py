"""What it costs a request to record an event."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import pytest
from django.db import transaction
from django.utils import timezone

from carts import selectors
from carts.models import Cart
from events import outbox
from tests.benchmarks.measure import Line, paired, spread, table
from tests.factories import CartFactory, LineFactory

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 300  # transactions in a run


def test_recording(broker, monkeypatch):
    """A unit is added to a cart and saved, with the fact and without."""
    cart_id = CartFactory().id
    put = outbox.put

    def run(put: Callable[[Cart], object]) -> float:
        monkeypatch.setattr(outbox, "put", put)
        took = []
        for _ in range(COUNT):
            started = perf_counter()
            with transaction.atomic():
                cart = selectors.lock(cart_id)
                cart.add_item(**LineFactory(variant_id="var_1", quantity=1), at=timezone.now())
                cart.save()
            took.append(perf_counter() - started)
        return median(took) * 1000

    pairs = paired(lambda: run(put), lambda: run(Cart.take_facts))
    costs = [ours - bare for ours, bare in pairs]
    what = "recording an event in a request, p50, in ms"
    table.append(Line(what, spread(costs), "≤ 0.50", median(costs) <= 0.5))
