"""The time that recording an event adds to a request."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import pytest

from carts import services
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
    table.append(Line(what, spread(costs), "≤ 0.30", median(costs) <= 0.3))


def cost(cart_id: str, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return how many ms recording the event adds."""
    write = outbox.write

    def seconds(write: Callable[[Cart], object]) -> float:
        monkeypatch.setattr(outbox, "write", write)
        started = perf_counter()
        services.add_item(cart_id=cart_id, **LineFactory(variant_id="var_1", quantity=1))
        return perf_counter() - started

    # In turn, so that a machine that is slower for a second slows down both.
    pairs = [(seconds(write), seconds(Cart.pull_events)) for _ in range(COUNT)]
    monkeypatch.setattr(outbox, "write", write)
    ours, bare = zip(*pairs, strict=True)
    return (median(ours) - median(bare)) * 1000
