"""The relay, with a real broker; `faults` has the tests in which it fails."""

import threading
import time
from itertools import count
from types import SimpleNamespace
from zlib import crc32

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.core.locks import lock, try_lock
from events import tasks
from events.delivery import relay
from events.delivery.publisher import Outcome, Publisher, Refused
from events.models import EventRecord, Outbox, Publication
from events.operations import metrics
from tests.broker.conftest import in_order, publish, wait_until
from tests.events.sample_events import added, at_once, created, fill, happen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def one_shard(settings):
    settings.EVENTS_SHARDS = 1


def test_a_message_is_not_missed_while_the_shard_is_locked(consumer, monkeypatch):
    send = Publisher.send

    def send_and_commit(self, events, outcomes, *limit):
        send(self, events, outcomes, *limit)
        monkeypatch.setattr(Publisher, "send", send)
        # Another process commits, and its task finds the lock taken.
        at_once(lambda: happen("cart_late", created()), lambda: relay.publish_pending(0))

    monkeypatch.setattr(Publisher, "send", send_and_commit)
    happen("cart_1", created())
    relay.publish_pending(0)
    assert consumer.places() == [("cart_1", 1), ("cart_late", 1)]


def test_positions_become_visible_in_order(settings, consumer):
    settings.EVENTS_SHARDS = 4
    fill(streams=40, each=10)
    done, seen = threading.Event(), [0]

    def follow():
        while True:
            last_look = done.is_set()
            later = Publication.objects.filter(position__gt=seen[-1]).order_by("position")
            seen.extend(later.values_list("position", flat=True))
            if last_look:
                return

    def work(shard):
        relay.publish_pending(shard)
        relay._discard_publisher()

    reader = threading.Thread(target=at_once, args=(follow,))
    reader.start()
    at_once(*[lambda shard=shard: work(shard) for shard in range(4)])
    done.set()
    reader.join()
    assert seen[1:] == list(Publication.objects.order_by("position").values_list(flat=True))
    assert len(seen) == 401


def test_a_relay_waits_for_a_frozen_one_and_sends_nothing_twice(consumer):
    happen("cart_1", created())

    def work():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        relay.publish_pending(0)
        relay._discard_publisher()

    thread = threading.Thread(target=at_once, args=(work,))

    def has_waited_longer():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                " WHERE datname = current_database() AND clock_timestamp() - waitstart > '200ms'"
            )
            return cursor.fetchone() is not None or not thread.is_alive()

    with transaction.atomic():
        lock("publication")
        thread.start()
        wait_until(has_waited_longer, "the relay does not wait")
    thread.join()
    publish()
    assert [message.place for message in consumer.read()] == [("cart_1", 1)]
    assert not Outbox.objects.exists()


def test_an_unavailable_broker_only_delays_messages(settings, consumer, unused_tcp_port):
    fill(streams=3, each=2)
    there = settings.EVENTS_BROKER_URL
    settings.EVENTS_BROKER_URL = f"amqp://guest:guest@127.0.0.1:{unused_tcp_port}//"
    started, failures = time.monotonic(), _count("broker_failures_total", connection="relay")
    for _ in range(10):
        publish()
    assert time.monotonic() - started < 2
    assert Outbox.objects.filter(attempts=0, not_before=None).count() == 6
    assert _count("broker_failures_total", connection="relay") > failures
    settings.EVENTS_BROKER_URL = there
    # Further tasks must not extend the back-off.
    wait_until(lambda: publish() or not Outbox.objects.exists(), "messages are still pending")
    assert in_order(consumer.places()) == {"cart_0": 2, "cart_1": 2, "cart_2": 2}


def test_the_back_off_has_a_limit(settings, unused_tcp_port):
    settings.EVENTS_BROKER_URL = f"amqp://guest:guest@127.0.0.1:{unused_tcp_port}//"
    happen("cart_1", created())
    relay._thread.failures = 1000
    publish()
    assert relay._thread.not_before - time.monotonic() <= relay.MAX_BACK_OFF


def test_a_relay_whose_time_is_up_enqueues_its_task_again(monkeypatch, enqueued):
    ticks = count(time.monotonic(), step=2 * relay.TIME_SLICE)
    monkeypatch.setattr(relay, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr(relay, "BATCH_SIZE", 1)
    fill(streams=2, each=1)
    enqueued.clear()
    tasks.relay_shard(0)
    assert Outbox.objects.count() == 1
    assert enqueued == [("events.tasks.relay_shard", (0,))]


def test_a_shard_with_many_messages_gets_a_task_of_its_own(settings, monkeypatch, enqueued):
    settings.EVENTS_SHARDS = 4
    monkeypatch.setattr(relay, "FEW", 5)
    fill(streams=4, each=1)
    for _ in range(12):
        happen("cart_1", added())
    enqueued.clear()
    tasks.relay()
    busy = crc32(b"cart_1") % 4
    assert enqueued == [("events.tasks.relay_shard", (busy,))]
    assert set(Outbox.objects.values_list("stream", flat=True)) == {"cart_1"}
    tasks.relay_shard(busy)
    assert not Outbox.objects.exists()


def test_a_shard_that_another_relay_holds_is_left_to_it(settings, consumer):
    settings.EVENTS_SHARDS = 4
    fill(streams=8, each=1)
    held = crc32(b"cart_1") % 4
    with try_lock(f"relay:{held}"):
        at_once(relay.publish_pending)
    shards = {crc32(stream.encode()) % 4 for stream, _ in consumer.places()}
    assert shards == set(range(4)) - {held}


def test_a_batch_has_a_limit_in_characters(monkeypatch, consumer):
    """Thousands of large bodies would exceed the memory; a body above the limit is sent alone."""
    sizes, send = [], Publisher.send

    def count_and_send(self, events, *rest):
        sizes.append(len(events))
        send(self, events, *rest)

    monkeypatch.setattr(Publisher, "send", count_and_send)
    fill(streams=1, each=7)
    body = EventRecord.objects.first().body
    monkeypatch.setattr(relay, "MAX_BATCH_LENGTH", 2 * len(body) + 10)
    publish()
    assert in_order(consumer.places()) == {"cart_0": 7}
    assert sizes == [3, 3, 1]
    fill(streams=2, each=1)
    monkeypatch.setattr(relay, "MAX_BATCH_LENGTH", 1)
    publish()
    assert sizes[3:] == [1, 1]


def test_a_message_without_its_event_is_logged_and_blocks_no_other_stream(caplog, consumer):
    fill(streams=2, each=1)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_eventrecord WHERE stream = 'cart_0'")
    publish()
    assert consumer.places() == [("cart_1", 1)]
    (number,) = Outbox.objects.values_list("pk", flat=True)
    assert f"not in the log: their numbers are [{number}]" in caplog.text


def test_the_memory_broker_confirms_by_returning(settings):
    settings.EVENTS_BROKER_URL = "memory://"
    fill(streams=2, each=2)
    publish()
    assert Publication.objects.count() == 4


def test_the_clock_of_the_process_does_not_matter(consumer, monkeypatch):
    fill(streams=1, each=2)
    Outbox.objects.update(not_before=timezone.now() - timezone.timedelta(seconds=1))
    monkeypatch.setattr(timezone, "now", lambda: 1 / 0)
    relay.publish_pending(0)
    assert in_order(consumer.places()) == {"cart_0": 2}


@pytest.mark.parametrize("response", [Outcome.NACKED, Outcome.RETURNED])
def test_a_refused_message_does_not_reorder_another_stream(monkeypatch, response):
    """The first message of a stream is nacked while another stream's is refused."""
    happen("cart_1", created(), added())
    happen("cart_2", created())
    sent: list[tuple[str, int]] = []

    class Picky:
        made_at = last_used = time.monotonic()

        def send(self, events, outcomes, *limit):
            for event in sorted(events, key=lambda event: event.sequence):
                sent.append((event.stream, event.sequence))
                if event.stream == "cart_2":
                    raise Refused("too large")
                outcomes[event.id] = response

        def discard(self):
            pass

    monkeypatch.setattr(relay, "Publisher", Picky)
    publish()
    assert ("cart_1", 2) not in sent
    assert Outbox.objects.count() == 3


def _count(name, **labels):
    return metrics.REGISTRY.get_sample_value(f"order_service_{name}", labels) or 0


def test_the_broker_s_responses_are_counted(consumer):
    before = {
        name: _count(name)
        for name in (
            "confirm_seconds_count",
            "commit_to_confirm_seconds_count",
            "commit_to_confirm_seconds_sum",
        )
    }
    confirmed = _count("events_published_total", result="confirmed")
    failures = _count("broker_failures_total", connection="relay")
    fill(streams=1, each=2)
    publish()
    assert _count("events_published_total", result="confirmed") == confirmed + 2
    assert _count("broker_failures_total", connection="relay") == failures
    assert _count("confirm_seconds_count") > before["confirm_seconds_count"]
    assert _count("commit_to_confirm_seconds_count") > before["commit_to_confirm_seconds_count"]
    waited = _count("commit_to_confirm_seconds_sum") - before["commit_to_confirm_seconds_sum"]
    assert waited < 60
