"""The time that recording an event adds to a request."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import pytest
from django.db import transaction
from django.utils import timezone

from carts import selectors
from carts.models import Cart
from events import outbox
from tests.benchmarks.measure import PAIRS, Line, spread, table
from tests.factories import CartFactory, LineFactory

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 300  # transactions in a run


def test_recording(broker, monkeypatch):
    """Add a unit to a cart and save it, with and without recording the event."""
    cart_id = CartFactory().id
    costs = [cost(cart_id, monkeypatch) for _ in range(PAIRS)]
    what = "recording an event in a request, p50, in ms"
    table.append(Line(what, spread(costs), "≤ 0.50", median(costs) <= 0.5))


def cost(cart_id: str, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return how many ms recording the event adds."""
    put = outbox.put

    def seconds(put: Callable[[Cart], object]) -> float:
        monkeypatch.setattr(outbox, "put", put)
        started = perf_counter()
        with transaction.atomic():
            cart = selectors.get_for_update(cart_id)
            cart.add_item(**LineFactory(variant_id="var_1", quantity=1), at=timezone.now())
            cart.save()
        return perf_counter() - started

    # In turn, so that a machine that is slower for a second slows down both.
    pairs = [(seconds(put), seconds(Cart.pull_events)) for _ in range(COUNT)]
    monkeypatch.setattr(outbox, "put", put)
    ours, bare = zip(*pairs, strict=True)
    return (median(ours) - median(bare)) * 1000
