"""Tests with reactions that fail for a while, in all processes at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from events.models import Publication, Reaction
from fulfillment.models import Fulfillment
from orders.services import lifecycle
from tests.broker.conftest import publish, wait_until
from tests.broker.faults.conftest import seconds_until
from tests.broker.faults.deployment import grown
from tests.factories import OrderFactory
from tests.log import event_names
from tests.reacting import run_of

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def no_fulfillments() -> Iterator[None]:
    """Make PostgreSQL refuse to insert fulfillments during the block."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no fulfillments today'; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON fulfillment_fulfillment"
            " EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")


@pytest.mark.long
@pytest.mark.fault(22, "a reaction fails for a while, under load")
def test_failing_reaction(deployment, prove):
    with deployment.load():
        with no_fulfillments():
            wait_until(lambda: Reaction.objects.filter(attempts__gt=1).count() > 5, "none fails")
            wait_until(grown(Publication.objects.all(), 100), "the others do not go on")
        recovery = seconds_until(
            lambda: not Reaction.objects.filter(attempts__gt=1).exists(), "they do not succeed"
        )
    prove(recovery=recovery)


@pytest.mark.fault(22, "a reaction fails, and holds back the later one of its context")
def test_held_back_reaction(prove):
    """The order's payment and cancellation go on; its fulfillments follow in order."""
    with no_fulfillments():
        order = OrderFactory(status="confirmed")
        lifecycle.cancel_order(order_id=order.id, reason="fraud")
    waiting = Reaction.objects.filter(stream=order.id, context="fulfillment").order_by("id")
    names = ["fulfillment.open_fulfillments", "fulfillment.cancel_fulfillments"]
    assert list(waiting.values_list("reaction", flat=True)) == names
    assert event_names(order)[-2:] == ["order.cancelled", "refund.requested"]
    waiting.update(not_before=None)
    run_of("fulfillment", order.id)
    assert not waiting.exists()
    assert not Fulfillment.objects.exclude(status="cancelled").exists()
    publish()
    prove()
