"""Chains run twice: with reactions in the transaction of their event, and in a worker."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from orders.models import Order
from tests.consumers.inventory import EXTENSIONS
from tests.consumers.truth import true_stock
from tests.flows.goods import RunReactions, confirmed, pack, ship
from tests.flows.inventory import QUEUE, inventory, messages
from tests.fulfillment.factories import fulfillments
from tests.reacting import as_rows


@pytest.fixture(params=["at once", "as rows"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the test a second time with every reaction turned into a row."""
    with nullcontext() if request.param == "at once" else as_rows():
        yield


@pytest.fixture
def inventory_follows(settings: Any) -> Iterator[None]:
    """Compare Inventory's stock with the truth at the end of each test."""
    settings.EVENTS_CONSUMER_QUEUES = {QUEUE: list(EXTENSIONS)}
    settings.EVENTS_QUEUE_PREFIX = ""
    yield
    assert inventory(messages()).stock() == true_stock()


@pytest.fixture
def order(run_reactions: RunReactions) -> Order:
    """An order with three units of one line, which left in one parcel."""
    order = confirmed({"wh_1": 3}, run_reactions=run_reactions)
    pack(fulfillments(order)[0], run_reactions=run_reactions)
    ship(fulfillments(order)[0], run_reactions=run_reactions)
    return order
