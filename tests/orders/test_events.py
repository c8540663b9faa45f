from typing import get_args

from orders.events import CancellationReason
from orders.models import Order


def test_the_event_knows_the_reasons_that_the_model_knows():
    assert list(get_args(CancellationReason)) == Order.CancellationReason.values
