import threading
import time
from contextlib import contextmanager

import pytest
from celery import Celery
from django.db import transaction

from events import wake
from tests.events.facts import created, happen

NUDGE = wake._nudge  # before the tests' own patch


@pytest.fixture(autouse=True)
def awake(monkeypatch, nudges):
    monkeypatch.setattr(wake, "_nudge", NUDGE)


class App:
    """Celery, with a door in front of the broker."""

    def __init__(self):
        self.sent, self.pool = [], self
        self.open, self.knocked = threading.Event(), threading.Event()

    @contextmanager
    def producer_or_acquire(self):
        yield self

    def send_task(self, name, args, **options):
        self.knocked.set()
        assert self.open.wait(timeout=10)
        self.sent.append((name, args))

    def wait_for(self, count):
        deadline = time.monotonic() + 10
        while len(self.sent) < count and time.monotonic() < deadline:
            time.sleep(0.001)
        return self.sent


def test_nudges_that_wait_are_sent_once(monkeypatch):
    app = App()
    monkeypatch.setattr(wake, "current_app", app)
    wake.relay(0)
    assert app.knocked.wait(timeout=10)
    for _ in range(50):
        wake.relay(1)
        wake.react("cart_1", "tests")
    app.open.set()
    assert app.wait_for(3) == [
        ("events.tasks.relay", (0,)),
        ("events.tasks.relay", (1,)),
        ("events.tasks.react", ("cart_1", "tests")),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_costs_a_commit_nothing(
    monkeypatch, settings, unused_tcp_port, caplog
):
    monkeypatch.setenv("CELERY_BROKER_URL", f"amqp://127.0.0.1:{unused_tcp_port}//")
    away = Celery(set_as_current=False)
    away.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    monkeypatch.setattr(wake, "current_app", away)
    started = time.monotonic()
    for n in range(20):
        with transaction.atomic():
            happen(f"cart_{n}", created())
    assert time.monotonic() - started < 1
    deadline = time.monotonic() + 10
    while "left to the sweep" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "left to the sweep" in caplog.text
    app = App()
    app.open.set()
    monkeypatch.setattr(wake, "current_app", app)
    wake.relay(9)
    assert ("events.tasks.relay", (9,)) in app.wait_for(1), "the thread has survived"


def test_whatever_the_library_raises_the_thread_survives(monkeypatch):
    class Broken(App):
        def producer_or_acquire(self):
            self.knocked.set()
            raise SystemError

        def force_close_all(self):
            raise OSError

    broken, app = Broken(), App()
    monkeypatch.setattr(wake, "current_app", broken)
    wake.relay(0)
    assert broken.knocked.wait(timeout=10)
    app.open.set()
    monkeypatch.setattr(wake, "current_app", app)
    wake.relay(1)
    assert app.wait_for(1) == [("events.tasks.relay", (1,))]
