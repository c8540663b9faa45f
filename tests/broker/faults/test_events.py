"""Rollbacks, messages that cannot be sent, writes without models, and bursts."""

from contextlib import suppress

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import IntegrityError, transaction

from carts.models import Cart
from events import schema
from events.models import EventRecord, Outbox, Publication
from events.schema import InvalidEvent
from tests.broker.conftest import publish, wait_until
from tests.broker.faults.deployment import drain, grown
from tests.events.sample_events import added, cart, created, fill, happen
from tests.factories import CartFactory

pytestmark = pytest.mark.django_db(transaction=True)


class ChangedMindError(Exception):
    """Rolls a transaction back."""


@pytest.mark.fault(11, "rollback, savepoint, IntegrityError")
def test_rolled_back(prove, enqueued):
    with suppress(ChangedMindError), transaction.atomic():
        CartFactory()
        raise ChangedMindError
    with suppress(IntegrityError), transaction.atomic():
        CartFactory()
        EventRecord.objects.create(number=EventRecord.objects.latest("number").pk)
    assert (EventRecord.objects.count(), Outbox.objects.count(), enqueued) == (0, 0, [])
    with transaction.atomic():
        happen("cart_1", created())
        with suppress(ChangedMindError), transaction.atomic():
            happen("cart_1", added())
            raise ChangedMindError
        happen("cart_1", added())
    assert len(enqueued) == 2, "one task for each committed event"
    drain()
    assert prove().events == 2


class Unregistered(schema.Event):
    """An event that is not registered."""

    name, version, moment, published = "cart.unregistered", "1.0", None, True


@pytest.mark.fault(16, "poison: refused when recorded, parked when damaged")
def test_poison(prove):
    for poison in (added(quantity=0), created(session_id="x" * 300_000), Unregistered()):
        with pytest.raises(InvalidEvent), transaction.atomic():
            happen("cart_0", poison)
    fill(streams=3, each=2)
    damaged = EventRecord.objects.filter(stream="cart_1").earliest("number")
    before = damaged.occurred_at
    EventRecord.objects.filter(pk=damaged.pk).update(occurred_at=before.replace(year=1900))
    for attempt in range(1, 6):
        publish(retries=True)
        pending = Outbox.objects.get(pk=damaged.pk)
        assert (pending.attempts, pending.parked_at is not None) == (attempt, attempt == 5)
    happen("cart_1", added())
    publish(retries=True)
    held = Outbox.objects.order_by("event_id").values_list("event__stream", flat=True)
    assert list(held) == ["cart_1"] * 3, "only its stream waits"
    EventRecord.objects.filter(pk=damaged.pk).update(occurred_at=before)
    Outbox.objects.update(parked_at=None, not_before=None)  # what an operator's retry does
    publish()
    prove(duplicates=5 * 6)


@pytest.mark.long
@pytest.mark.fault(17, "ten times the load, on a backlog of 100,000")
def test_burst(deployment, prove):
    for n in range(200):
        happen(f"cart_{n}", *[added()] * 500)
    deployment.worker()
    deployment.worker()
    deployment.beat()
    deployment.produce(count=3, pause=0.0)
    wait_until(grown(Publication.objects.all(), 100_000), "the backlog stays", patience=300)
    deployment.settle()
    prove()


@pytest.mark.fault(18, "bulk_create, update, loaddata")
def test_past_the_models(prove, tmp_path):
    basket = CartFactory()
    with pytest.raises(TypeError, match="changes only by its transitions"):
        Cart.objects.bulk_create([cart()])
    with pytest.raises(TypeError, match="changes only by its transitions"):
        Cart.objects.update(status="expired")
    before = EventRecord.objects.count()
    file = tmp_path / "carts.json"
    basket.updated_at = basket.created_at
    file.write_text(serializers.serialize("json", [basket]))
    call_command("loaddata", file, verbosity=0)
    assert EventRecord.objects.count() == before, "loading records no events"
    drain()
    assert prove().events == before
