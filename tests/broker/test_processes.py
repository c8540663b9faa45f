"""Real processes, killed and stopped at bad moments."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction

from events import relay, wake
from events.models import Outbox, Publication
from events.publisher import Publisher
from tests.broker.conftest import in_order, process, publish, wait_until
from tests.events.facts import added, created, happen
from tests.parallel import killed

pytestmark = pytest.mark.django_db(transaction=True)
# Seconds. A child of Celery's waits up to 30 s at its end for a parent that no longer listens.
GRACE = 45
NUDGE = wake._nudge  # before the tests' own patch


@pytest.mark.parametrize(
    ("where", "turn"),
    [
        pytest.param((relay, "_publish"), 1, id="after the select"),
        pytest.param((Publisher, "_publish"), 1, id="before the first message"),
        pytest.param((Publisher, "_publish"), 777, id="between two messages"),
        pytest.param((relay, "_record"), 1, id="after the first acks"),
        pytest.param((relay, "_record"), 2, id="after later acks"),
    ],
)
def test_a_relay_that_is_killed_loses_nothing_and_keeps_the_order(consumer, settings, where, turn):
    settings.EVENTS_SHARDS = 1
    for n in range(20):
        happen(f"cart_{n}", *[added()] * 150)
    killed(lambda: relay.publish_owed(0), *where, turn=turn)
    wait_until(lambda: publish() or not Outbox.objects.exists(), "still owed")
    assert in_order(consumer.places()) == {f"cart_{n}": 150 for n in range(20)}
    assert len(consumer.messages) <= 3000 + relay.BATCH, "more duplicates than were in flight"


@contextmanager
def worker(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    celery = ("-m", "celery", "-A", "config", "worker", "--concurrency=2", "--loglevel=WARNING")
    alone = ("--without-mingle", "--without-gossip", "--without-heartbeat")
    with process(*celery, *alone, *options) as running:
        yield running


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch, nudges: object) -> None:
    """Nudges are really sent."""
    monkeypatch.setattr(wake, "_nudge", NUDGE)


def published(count: int) -> Callable[[], bool]:
    return lambda: Publication.objects.count() >= count


def test_a_commit_is_published_by_a_worker(consumer, nudged):
    with worker() as running:
        for n in range(40):
            with transaction.atomic():
                happen(f"cart_{n}", created(), added())
        wait_until(published(80), "not published")
        running.terminate()
        assert running.wait(GRACE) == 0
    assert in_order(consumer.places()) == {f"cart_{n}": 2 for n in range(40)}
    assert len(consumer.messages) == 80


def test_nudges_that_are_lost_are_made_up_for(consumer):
    happen("cart_1", created(), added())
    with worker("--beat") as running:
        wait_until(published(2), "not published")
        running.terminate()
        running.wait(GRACE)
    assert consumer.places() == [("cart_1", 1), ("cart_1", 2)]


def test_a_worker_that_is_stopped_finishes_what_it_has_begun(consumer, nudged):
    for n in range(4):
        happen(f"cart_{n}", *[added()] * 500)
    with worker() as running:
        happen("cart_4", created())
        wait_until(lambda: len(consumer.read()) >= 1, "nothing was published")
        running.terminate()
        assert running.wait(GRACE) == 0
    publish()
    assert len(consumer.read()) == 2001, "something was sent twice, or not at all"
    in_order(consumer.places())
