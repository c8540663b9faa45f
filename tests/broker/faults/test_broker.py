"""Tests with a broker that is stopped, frozen, short of memory, disconnected, or full."""

import json
import signal
import time
from http.client import HTTPConnection

import pytest

from events.delivery import publisher as publisher_
from events.delivery.broker import routing_key
from events.models import EventRecord, Outbox, Publication
from events.operations import metrics
from events.schema import registry
from tests.broker.conftest import Consumer, publish, wait_until
from tests.broker.faults.conftest import own_channel, seconds_until
from tests.broker.faults.deployment import drain, grown, silent_for
from tests.broker.faults.proxy import Proxy
from tests.events.sample_events import abandoned, added, created, fill, happen
from tests.factories import ADDRESS, CartFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.fault(3, "broker stopped and started under load")
def test_stopped_and_started(node, deployment, prove):
    with deployment.load():
        with deployment.fault():
            node.stop()
        wait_until(grown(EventRecord.objects.all(), 100), "events are recorded without a broker")
        node.start()
        recovery = seconds_until(grown(Publication.objects.all(), 50), "it does not resume")
    prove(duplicates=deployment.at_risk, recovery=recovery)


@pytest.mark.long
@pytest.mark.fault(3, "broker stopped for a minute, under load")
def test_stopped_for_a_minute(node, deployment, prove):
    with deployment.load():
        with deployment.fault():
            node.stop()
            time.sleep(60)  # long enough for a back-off to grow
        node.start()
        recovery = seconds_until(grown(Publication.objects.all(), 50), "it does not resume")
    prove(duplicates=deployment.at_risk, recovery=recovery)


@pytest.mark.long
@pytest.mark.fault(4, "broker frozen, then stopped, during requests")
def test_stopped_during_requests(node, deployment, prove, caller, unused_tcp_port):
    deployment.web(f"localhost:{unused_tcp_port}")
    headers = {
        "Authorization": caller().defaults["HTTP_AUTHORIZATION"],
        "Content-Type": "application/json",
    }

    def send(path, body, key):
        web = HTTPConnection("localhost", unused_tcp_port, timeout=20)
        try:
            web.request("POST", path, json.dumps(body), headers | {"Idempotency-Key": key})
            return web.getresponse().status
        except ConnectionError:
            return None
        finally:
            web.close()

    new = {"customer_id": "cust_1", "currency": "USD"}
    wait_until(lambda: send("/api/v1/carts", new, "first") == 201, "the web does not respond")
    carts = [CartFactory().id for _ in range(50)]
    node.send(signal.SIGSTOP)
    took = []
    for number, cart in enumerate(carts):
        if number == len(carts) // 2:
            node.stop()
        began = time.monotonic()
        terms = {"shipping_address": ADDRESS}
        assert send(f"/api/v1/carts/{cart}/checkout", terms, cart) == 201
        took.append(time.monotonic() - began)
    # Sending to the broker takes 0.6 s if the port is closed, and 10 s if it does not respond.
    assert max(took) < 0.5, "a request has waited for the broker"
    node.start()
    deployment.worker()
    deployment.beat()
    recovery = seconds_until(lambda: not Outbox.objects.exists(), "messages are still pending")
    prove(recovery=recovery)


@pytest.mark.long
@pytest.mark.fault(5, "broker frozen for a minute")
def test_frozen(node, deployment, prove):
    with deployment.load():
        with deployment.fault():
            node.send(signal.SIGSTOP)
            try:
                in_flight, confirmed = Outbox.objects.count(), Publication.objects.count()
                time.sleep(60)  # longer than every timeout
                assert Publication.objects.count() - confirmed <= in_flight, "not confirmed"
                assert EventRecord.objects.count() > confirmed + 500, "events are still recorded"
                assert silent_for() < 2 * publisher_.DEADLINE, "a relay hangs"
            finally:
                node.send(signal.SIGCONT)
        recovery = seconds_until(grown(Publication.objects.all(), 200), "it does not resume")
    prove(duplicates=deployment.at_risk, recovery=recovery)


@pytest.mark.long
@pytest.mark.fault(6, "broker short of memory")
def test_short_of_memory(node, deployment, prove):
    with deployment.load():
        with deployment.fault():
            node.control("set_vm_memory_high_watermark", "absolute", "1")
            wait_until(grown(EventRecord.objects.all(), 1000), "events are still recorded")
            assert Outbox.objects.count() > 100
        node.control("set_vm_memory_high_watermark", "0.4")
        recovery = seconds_until(grown(Publication.objects.all(), 200), "it does not resume")
    prove(duplicates=deployment.at_risk, recovery=recovery)


@pytest.mark.fault(7, "confirms that come after the timeout")
def test_late_confirms(prove, settings, monkeypatch):
    monkeypatch.setattr(publisher_, "DEADLINE", 0.5)
    wire = Proxy(settings.EVENTS_BROKER_URL)
    direct, settings.EVENTS_BROKER_URL = settings.EVENTS_BROKER_URL, wire.url
    happen("cart_1", created())
    publish()
    fill(streams=20, each=3)
    wire.hold()
    publish()
    wire.release()
    assert Publication.objects.count() == 1, "a confirm that came too late was counted"
    assert Outbox.objects.count() == 60
    drain()
    wire.close()
    settings.EVENTS_BROKER_URL = direct
    assert prove(duplicates=60).duplicates > 0, "nothing had been sent"


@pytest.mark.fault(8, "nacks for a third of the messages")
def test_nacks(queue, prove, settings):
    nacks = metrics.published.labels("nacked")
    before = nacks._value.get()
    with own_channel() as channel:
        full = f"{queue}-full"
        limits = {"x-max-length": 3, "x-overflow": "reject-publish"}
        channel.queue_declare(full, auto_delete=False, arguments=limits)
        channel.queue_bind(full, settings.EVENTS_EXCHANGE, "cart.item_added")
        for n in range(60):
            happen(f"cart_{n}", created(), added(), abandoned())
        publish()
        refused = Outbox.objects.exclude(last_error="")
        assert {row.event.name for row in refused} == {"cart.item_added"}
        reader = Consumer(None, full)

        def read():
            reader.read()
            publish(retries=True)
            return not Outbox.objects.exists()

        wait_until(read, "messages are still pending")
        reader.read()
        reader.close()
        channel.queue_delete(full)
    assert not Outbox.objects.filter(parked_at__isnull=False).exists()
    assert len({message.id for message in reader.messages}) == 60
    # The other queue has accepted the messages that this one refused, and gets them again.
    prove(duplicates=int(nacks._value.get() - before))


@pytest.mark.long
@pytest.mark.fault(9, "queue unbound, then exchange deleted, under load")
def test_topology_deleted(node, deployment, prove, queue, settings, monkeypatch):
    """The service declares its queues again, so the test's queue is one of them.

    It is the only queue of these events: RabbitMQ confirms a message that any queue accepts.
    """
    names = sorted(name for name, cls in registry.items() if cls.published)
    short = queue.removeprefix(settings.EVENTS_QUEUE_PREFIX)
    monkeypatch.setenv("EVENTS_CONSUMER_QUEUES", json.dumps({short: names}))
    with deployment.load(what="carts"):
        with deployment.fault(), own_channel() as channel:
            for key in ("#", *map(routing_key, names)):
                channel.queue_unbind(queue, settings.EVENTS_EXCHANGE, key)
        wait_until(grown(Publication.objects.all(), 100), "it does not resume")
        with deployment.fault(), own_channel() as channel:
            channel.exchange_delete(settings.EVENTS_EXCHANGE)
        recovery = seconds_until(grown(Publication.objects.all(), 100), "it does not resume")
    prove(duplicates=deployment.at_risk, recovery=recovery)
