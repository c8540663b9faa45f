"""The events of orders and the model agree."""

from typing import get_args

from orders.events import CancellationReason
from orders.models import Order


def test_the_event_has_the_cancellation_reasons_of_the_model():
    assert list(get_args(CancellationReason)) == Order.CancellationReason.values
