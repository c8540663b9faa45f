"""The relay, when a queue, a binding or the exchange does not exist."""

import pytest

from events.delivery import broker as broker_
from events.delivery import relay
from events.models import EventRecord, Outbox, Publication
from tests.broker.conftest import publish, wait_until
from tests.events.sample_events import abandoned, added, created, fill, happen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def one_shard(settings):
    settings.EVENTS_SHARDS = 1


def test_a_missing_binding_is_declared_again(consumers, settings):
    """A configured queue receives the event, so the broker must not return it."""
    queue = f"{settings.EVENTS_QUEUE_PREFIX}customer_app_order_consumer"
    probe = consumers("nothing")
    probe.channel.queue_purge(queue)
    happen("cart_0", created())
    publish()
    happen("cart_1", created())
    EventRecord.objects.filter(stream="cart_1").update(name="order.shipped")
    for listener in ("customer_app", "notification", "inventory"):
        name = f"{settings.EVENTS_QUEUE_PREFIX}{listener}_order_consumer"
        probe.channel.queue_unbind(name, settings.EVENTS_EXCHANGE, "order.order.shipped")
    publish()
    assert Outbox.objects.get().last_error == "returned by the broker"
    wait_until(lambda: publish() or not Outbox.objects.exists(), "messages are still pending")
    _, properties, _ = probe.channel.basic_get(queue, auto_ack=True)
    assert properties.message_id == EventRecord.objects.get(stream="cart_1").id


def test_an_event_without_a_queue_needs_no_binding():
    happen("cart_1", created())
    publish()
    assert Publication.objects.count() == 1


def test_a_deleted_queue_is_declared_again_although_other_queues_take_the_event(
    consumers, consumer, monkeypatch
):
    """The broker returns a message only if no queue takes it."""
    happen("cart_1", added())
    publish()
    name = f"{broker_.settings.EVENTS_QUEUE_PREFIX}marketing_order_consumer"
    consumer.channel.queue_delete(name)
    monkeypatch.setattr(relay, "MAX_AGE", 0.0)
    happen("cart_1", abandoned())
    publish()
    assert [m.properties.type for m in consumers(None, name).read()] == ["cart.abandoned"]


def test_a_deleted_exchange_is_declared_again(consumers, settings):
    fill(streams=2, each=2)
    publish()
    probe = consumers("nothing")
    probe.channel.exchange_delete(settings.EVENTS_EXCHANGE)
    fill(streams=2, each=1)
    wait_until(lambda: publish() or not Outbox.objects.exists(), "messages are still pending")
    assert Outbox.objects.filter(attempts__gt=0).count() == 0


def test_an_existing_queue_is_not_changed(consumers, settings, caplog):
    settings.EVENTS_QUEUE_PREFIX = f"{settings.EVENTS_QUEUE_PREFIX}before."
    theirs = consumers("nothing", queue=f"{settings.EVENTS_QUEUE_PREFIX}marketing_order_consumer")
    settings.CONSUMER_CONFIG = {
        "x": {
            "exchange": settings.EVENTS_EXCHANGE,
            "queues": {"marketing_order_consumer": ["cart.created"]},
        }
    }
    happen("cart_1", created())
    publish()
    assert theirs.places() == [("cart_1", 1)]
    assert "marketing_order_consumer is not changed" in caplog.text
    for queue in broker_.queues():
        theirs.channel.queue_delete(queue.name)
