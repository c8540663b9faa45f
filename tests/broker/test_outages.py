"""The broker stopped, frozen and starved under load. It is a node of the tests' own."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from events import broker as broker_
from events import publisher as publisher_
from events import relay as relay_
from events.models import Event, Outbox, Publication
from tests.broker.conftest import Consumer, in_order, publish, wait_until
from tests.broker.node import Node, is_possible
from tests.events.facts import added, at_once, happen

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("node"),
    pytest.mark.skipif(not is_possible(), reason="rabbitmq-server is not installed here"),
]
RESUMES_WITHIN = 10  # seconds after the broker is back
PACE = 0.01  # seconds between two commits of a producer: load, not all that the machine can do


@pytest.fixture(scope="module")
def running_node(tmp_path_factory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture
def node(running_node, settings, monkeypatch) -> Node:
    settings.EVENTS_BROKER_URL = running_node.url
    monkeypatch.setattr(broker_, "SILENCE", 2.0)
    monkeypatch.setattr(publisher_, "DEADLINE", 1.0)
    broker_.declare_topology()
    return running_node


@pytest.fixture
def queue(node, request) -> Iterator[str]:
    """A durable queue that gets everything."""
    name = request.node.name
    Consumer(queue=name).close()
    yield name
    last = Consumer(queue=name)
    last.channel.queue_delete(name)
    last.close()


@contextmanager
def load() -> Iterator[None]:
    """Commit facts and publish what is owed, again and again, as web processes and workers do."""
    done = threading.Event()

    def produce(number):
        while not done.wait(PACE):
            happen(f"cart_{number}", added(), added())

    def relay():
        while not done.wait(PACE):
            publish()
        relay_._discard_publisher()  # this thread's

    producers = [lambda number=number: produce(number) for number in range(3)]
    workers = threading.Thread(target=at_once, args=(relay, relay, *producers))
    workers.start()
    try:
        yield
    finally:
        done.set()
        workers.join()


def grown(rows, by):
    before = rows.count()
    return lambda: rows.count() >= before + by


def test_a_broker_that_is_stopped_and_started(node, queue):
    with load():
        wait_until(grown(Publication.objects, 200), "nothing is published")
        node.stop()
        wait_until(grown(Event.objects, 200), "without a broker, facts are recorded all the same")
        node.start()
        back = time.monotonic()
        wait_until(grown(Publication.objects, 200), "it does not resume")
        assert time.monotonic() - back < RESUMES_WITHIN
    assert_nothing_is_lost(queue)


def test_a_broker_that_is_frozen(node, queue):
    with load():
        wait_until(grown(Publication.objects, 200), "nothing is published")
        node.send(signal.SIGSTOP)
        try:
            in_flight = Outbox.objects.count()
            confirmed = Publication.objects.count()
            wait_until(grown(Event.objects, 500), "with a frozen broker, facts are recorded too")
            assert Publication.objects.count() - confirmed <= in_flight, "nobody confirmed that"
        finally:
            node.send(signal.SIGCONT)
        back = time.monotonic()
        wait_until(grown(Publication.objects, 200), "it does not resume")
        assert time.monotonic() - back < RESUMES_WITHIN
    assert_nothing_is_lost(queue)


def test_a_broker_without_memory(node, queue):
    with load():
        wait_until(grown(Publication.objects, 200), "nothing is published")
        node.control("set_vm_memory_high_watermark", "absolute", "1")
        wait_until(grown(Event.objects, 500), "without memory, facts are recorded all the same")
        assert Outbox.objects.count() > 100
        node.control("set_vm_memory_high_watermark", "0.4")
        back = time.monotonic()
        wait_until(grown(Publication.objects, 200), "it does not resume")
        assert time.monotonic() - back < RESUMES_WITHIN
    assert_nothing_is_lost(queue)


def assert_nothing_is_lost(queue):
    wait_until(lambda: publish(retries=True) or not Outbox.objects.exists(), "still owed")
    consumer = Consumer(queue=queue)
    recorded = Event.objects.order_by("number").values_list("stream", "sequence")
    assert in_order(consumer.places()) == in_order(list(recorded))
    consumer.close()
