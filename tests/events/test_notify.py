import threading
from queue import SimpleQueue

import pytest
from celery import Celery
from django.db import transaction

from events import tasks
from events.delivery import broker as broker_
from events.delivery import notify
from events.operations import metrics
from tests.broker.conftest import wait_until
from tests.broker.faults.proxy import Proxy
from tests.events.sample_events import created, happen

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("awake")]


class App:
    """A Celery app whose producer can be paused."""

    def __init__(self):
        self.sent, self.amqp, self.connection = SimpleQueue(), self, self
        self.open, self.knocked = threading.Event(), threading.Event()

    def connection_for_write(self, **options):
        return self

    def Producer(self, connection, **options):
        return self

    def send_task(self, name, args, **options):
        self.knocked.set()
        assert self.open.wait(timeout=10)
        self.sent.put((name, args))

    def next(self):
        return self.sent.get(timeout=10)


def sample(name):
    return metrics.REGISTRY.get_sample_value(f"order_service_{name}", {"connection": "nudge"})


def test_a_blocked_connection_is_reported(monkeypatch):
    app = App()
    app.open.set()
    monkeypatch.setattr(notify, "current_app", app)
    notify.enqueue(tasks.relay)
    app.next()
    app.connection.on_blocked("low on memory")
    assert sample("broker_blocked") == 1
    app.connection.on_unblocked()
    assert sample("broker_blocked") == 0


def test_a_waiting_task_is_sent_once(monkeypatch):
    app = App()
    monkeypatch.setattr(notify, "current_app", app)
    notify.enqueue(tasks.relay_shard, 0)
    assert app.knocked.wait(timeout=10)
    for _ in range(50):
        notify.enqueue(tasks.relay)
        notify.enqueue(tasks.react, "cart_1")
    app.open.set()
    assert [app.next() for _ in range(3)] == [
        ("events.tasks.relay_shard", (0,)),
        ("events.tasks.relay", ()),
        ("events.tasks.react", ("cart_1",)),
    ]


@pytest.mark.django_db(transaction=True)
def test_an_unavailable_broker_stops_neither_commits_nor_the_thread(
    monkeypatch, settings, unused_tcp_port
):
    monkeypatch.setenv("CELERY_BROKER_URL", f"amqp://127.0.0.1:{unused_tcp_port}//")
    away = Celery(set_as_current=False)
    away.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    monkeypatch.setattr(notify, "current_app", away)
    given_up = threading.Event()
    monkeypatch.setattr(notify.logger, "warning", lambda *args: given_up.set())
    for n in range(20):
        with transaction.atomic():
            happen(f"cart_{n}", created())
    assert given_up.wait(timeout=10)
    app = App()
    app.open.set()
    monkeypatch.setattr(notify, "current_app", app)
    notify.enqueue(tasks.relay_shard, 9)
    while app.next() != ("events.tasks.relay_shard", (9,)):
        pass  # what was still waiting comes first


def test_tasks_are_sent_again_after_an_outage(monkeypatch, settings):
    wire = Proxy(settings.EVENTS_BROKER_URL)
    monkeypatch.setenv("CELERY_BROKER_URL", wire.url)
    app = Celery(set_as_current=False)
    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    app.conf.task_default_queue = queue = f"{settings.EVENTS_QUEUE_PREFIX}outage"
    monkeypatch.setattr(notify, "current_app", app)
    failed = SimpleQueue()
    monkeypatch.setattr(notify.logger, "warning", lambda *args: failed.put(args))

    def length():
        with broker_.connect() as own, own.channel() as channel:
            try:
                return channel.queue_declare(queue, passive=True).message_count
            except own.channel_errors:
                return 0

    notify.enqueue(tasks.relay)
    wait_until(lambda: length() == 1, "nothing is sent")
    failures = sample("broker_failures_total")
    wire.close()
    wait_until(
        lambda: notify.enqueue(tasks.relay) or not failed.empty(), "the failure was not noticed"
    )
    wait_until(lambda: sample("broker_failures_total") > failures, "it is not counted")
    wire.open()
    wait_until(lambda: notify.enqueue(tasks.relay) or length() > 1, "it is never sent again")
    wire.close()
    with broker_.connect() as own:
        own.channel().queue_delete(queue)


def test_the_thread_survives_any_exception(monkeypatch):
    class Broken(App):
        def send_task(self, name, args, **options):
            self.knocked.set()
            raise SystemError

        def collect(self):
            raise OSError

    broken, app = Broken(), App()
    monkeypatch.setattr(notify, "current_app", broken)
    notify.enqueue(tasks.relay)
    assert broken.knocked.wait(timeout=10)
    app.open.set()
    monkeypatch.setattr(notify, "current_app", app)
    notify.enqueue(tasks.relay_shard, 1)
    assert app.next() == ("events.tasks.relay_shard", (1,))
