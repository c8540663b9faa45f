import json
from datetime import timedelta

import pytest

from config.core import request_context
from events.delivery import broker as broker_
from events.delivery.publisher import Outcome, Publisher
from events.models import EventRecord, Publication
from events.schema import registry
from tests.broker.conftest import message, publish
from tests.events.sample_events import NOON, added, created, happen, internal

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LISTENERS = {
    "inventory_order_consumer": {
        "order.placed",
        "order.confirmed",
        "order.cancelled",
        "order.shipped",
        "return.received",
    },
    "notification_order_consumer": {
        "order.created",
        "order.confirmed",
        "order.shipped",
        "order.delivered",
        "return.requested",
        "return.approved",
    },
    "analytics_order_consumer": {
        "order.created",
        "order.confirmed",
        "cart.abandoned",
        "cart.converted",
    },
    "marketing_order_consumer": {"cart.abandoned"},
    "customer_app_order_consumer": {"order.shipped"},
    "warehouse_order_consumer": {"return.requested"},
    "customer_service_order_consumer": {"return.requested"},
}


@pytest.mark.django_db
def test_a_message_follows_the_contract(consumer):
    with request_context.use(traceparent=TRACE):
        happen("cart_1", created(), added(2))
    publish()
    first, second = consumer.read()
    assert second.body == (
        b'{"event":"cart.item_added","version":"1.0","timestamp":"2025-11-23T12:00:00Z",'
        b'"organization_id":"org_1",'
        b'"data":{"cart_id":"cart_1","variant_id":"var_1","quantity":2,"unit_price":125.50}}'
    )
    assert second.routing_key == "order.cart.item_added"
    properties = {
        name: value for name, value in vars(second.properties).items() if value is not None
    }
    assert properties == {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "message_id": EventRecord.objects.get(name="cart.item_added").id,
        "type": "cart.item_added",
        "app_id": "order-service",
        "user_id": "guest",
        "timestamp": int(NOON.timestamp()),
        "headers": {
            "CC": ["cart.item_added"],
            "x-stream": "cart_1",
            "x-sequence": 2,
            "x-version": "1.0",
            "organization_id": "org_1",
            "traceparent": TRACE,
        },
    }
    assert first.properties.headers["x-sequence"] == 1


@pytest.mark.django_db
def test_without_a_trace_there_is_no_header(consumer):
    happen("cart_1", created())
    publish()
    (only,) = consumer.read()
    assert "traceparent" not in only.properties.headers


@pytest.mark.django_db
def test_the_timestamp_is_rounded_down_to_seconds(consumer):
    happen("cart_1", created())
    EventRecord.objects.update(occurred_at=NOON + timedelta(milliseconds=900))
    publish()
    (only,) = consumer.read()
    assert only.properties.timestamp == int(NOON.timestamp())


@pytest.mark.django_db
def test_internal_events_are_not_sent(consumer):
    happen("cart_1", internal(), created())
    publish()
    assert consumer.places() == [("cart_1", 1)]


@pytest.mark.django_db
def test_an_extension_event_is_sent_like_the_others_to_the_queue_that_names_it(consumers, settings):
    settings.EVENTS_CONSUMER_QUEUES = {"support_consumer": ["cart.item_changed"]}
    everything = consumers("#")
    happen("cart_1", created(), internal(), added())
    publish()
    (only,) = consumers(None, f"{settings.EVENTS_QUEUE_PREFIX}support_consumer").read()
    assert everything.places() == [("cart_1", 1), ("cart_1", 2), ("cart_1", 3)]
    assert (only.id, only.body) == (everything.read()[1].id, everything.read()[1].body)
    assert only.routing_key == "order.cart.item_changed"
    assert (only.properties.type, only.properties.delivery_mode) == ("cart.item_changed", 2)
    headers = only.properties.headers
    assert headers.pop("x-delivery-count", 0) == 0  # of the quorum queue, before RabbitMQ 4
    assert headers == {
        "CC": ["cart.item_changed"],
        "x-stream": "cart_1",
        "x-sequence": 2,
        "x-version": "1.0",
        "organization_id": "org_1",
    }
    assert json.loads(only.body)["event"] == "cart.item_changed"


@pytest.mark.django_db
def test_both_routing_keys_work_and_give_one_copy(consumers):
    keys = ["#", "order.#", "order.*.*", "order.cart.created", "cart.created", "*.created"]
    each = [consumers(key) for key in keys]
    both = consumers("order.cart.created")
    both.bind("cart.created")
    other = consumers("cart.item_added")
    happen("cart_1", created())
    publish()
    assert [len(consumer.read()) for consumer in [*each, both]] == [1] * 7
    assert other.read() == []


@pytest.mark.django_db
def test_a_confirmed_message_is_a_publication():
    happen("cart_1", created(), added())
    happen("cart_2", created("cart_2"))
    publish()
    published = Publication.objects.order_by("position").values_list("event__id", flat=True)
    assert set(published) == set(EventRecord.objects.values_list("id", flat=True))
    of_one_stream = Publication.objects.filter(event__stream="cart_1").order_by("position")
    assert list(of_one_stream.values_list("event__sequence", flat=True)) == [1, 2]


def test_each_configured_queue_gets_its_events_once(consumers, settings):
    names = sorted(name for name, event in registry.items() if event.published)
    publisher = Publisher()
    events = [message(name=name, stream="order_1") for name in names]
    channel = consumers().channel
    for queue in LISTENERS:
        channel.queue_purge(f"{settings.EVENTS_QUEUE_PREFIX}{queue}")
    outcomes = {}
    publisher.send(events, outcomes)
    publisher.discard()
    assert set(outcomes.values()) == {Outcome.CONFIRMED}
    for queue, listens_to in LISTENERS.items():
        got = []
        while (found := channel.basic_get(f"{settings.EVENTS_QUEUE_PREFIX}{queue}", True))[0]:
            got.append(found[1].type)
        assert sorted(got) == sorted(listens_to)


def test_every_queue_has_a_dead_letter_queue():
    names = [queue.name for queue in broker_.queues()]
    live = [name for name in names if not name.endswith(".dead")]
    assert sorted(names) == sorted(live + [f"{name}.dead" for name in live])
    assert {name.rpartition(".")[2] for name in live} == set(LISTENERS)
