"""Concurrent commands have one effect, and their locks do not deadlock."""

from datetime import timedelta

import pytest
from django.utils import timezone

from carts import services as carts
from events.aggregate import InvalidTransition
from events.models import EventRecord
from orders.models import Order
from tests.factories import ADDRESS, CartFactory, LineFactory, OrderFactory, cancel
from tests.log import event_names
from tests.parallel import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_twenty_concurrent_checkouts_open_one_order():
    cart = CartFactory()

    def check_out(n):
        order, is_new = carts.check_out(cart_id=cart.id, shipping_address=ADDRESS)
        return order.id, is_new

    results = at_once(20, check_out)
    order = Order.objects.get()
    assert sorted(results) == [(order.id, False)] * 19 + [(order.id, True)]
    assert event_names(order) == ["order.created", "order.placed"]
    assert event_names(cart).count("cart.converted") == 1


def test_twenty_concurrent_cancellations_record_one_event():
    order = OrderFactory(status="confirmed")
    results = at_once(20, lambda n: cancel(order).status)
    assert results == ["cancelled"] * 20
    assert event_names(order).count("order.cancelled") == 1


def test_two_concurrent_timers_abandon_each_cart_once():
    idle = [CartFactory() for _ in range(20)]
    now = timezone.now() + timedelta(days=2)
    assert sum(at_once(2, lambda n: carts.abandon_idle_carts(now=now))) == 20
    abandoned = EventRecord.objects.filter(name="cart.abandoned").values_list("stream", flat=True)
    assert sorted(abandoned) == sorted(cart.id for cart in idle)


def test_concurrently_added_units_add_up():
    cart = CartFactory(lines=[])
    line = LineFactory(quantity=1)
    at_once(8, lambda n: carts.add_item(cart_id=cart.id, **line).id)
    cart.refresh_from_db()
    assert (cart.items_count, len(cart.lines)) == (8, 1)
    sequences = EventRecord.objects.filter(stream=cart.id).order_by("number")
    assert list(sequences.values_list("sequence", flat=True)) == list(range(1, 10))


def test_merges_in_opposite_directions_do_not_deadlock():
    """Each customer's cart into the other's: one merge is refused, and neither hangs."""
    one, other = CartFactory(), CartFactory()
    pairs = [(one.id, other.id), (other.id, one.id)] * 4
    results = at_once(8, lambda n: _merge(*pairs[n]))
    one.refresh_from_db()
    other.refresh_from_db()
    assert sorted([one.status, other.status]) == ["active", "merged"]
    assert set(results) <= {one.id, other.id, "refused"}
    assert EventRecord.objects.filter(name="cart.items_absorbed").count() == 1


def _merge(cart_id, into):
    try:
        return carts.merge_cart(cart_id=cart_id, into=into).id
    except InvalidTransition:
        return "refused"


def test_concurrently_opened_orders_have_consecutive_numbers():
    at_once(8, lambda n: OrderFactory(organization_id="org_1").id)
    numbers = sorted(Order.objects.values_list("number", flat=True))
    assert [int(number[-4:]) for number in numbers] == list(range(1, 9))
