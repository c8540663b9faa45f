"""Replays: published messages are sent again to one queue."""

import getpass
import socket
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from config.core import request_context
from events.delivery.publisher import Publisher
from events.models import AuditEntry, Publication
from events.operations import replay
from tests.broker.conftest import in_order, process, publish, wait_until
from tests.broker.test_message import TRACE
from tests.events.sample_events import added, created, fill, happen, internal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refill(consumers):
    """A consumer with a queue without bindings."""
    return consumers("", f"{settings.EVENTS_QUEUE_PREFIX}refill", **{"x-expires": 60_000})


@pytest.fixture
def again(refill):
    """Return a function that replays to that queue and returns the messages."""

    def run(*options):
        refill.messages.clear()
        call_command("replay_events", "--queue", refill.queue, *options, skip_checks=True)
        return refill.read()

    return run


def filled(properties):
    return {name: value for name, value in vars(properties).items() if value is not None}


def positions(**filters):
    found = Publication.objects.filter(**filters).order_by("position")
    return [str(position) for position in found.values_list("position", flat=True)]


def test_a_replayed_message_differs_only_in_its_routing(consumer, again, refill):
    with request_context.use(traceparent=TRACE):
        happen("cart_1", created(), internal(), added(2))
    publish()
    before = consumer.read()[:]
    after = again()
    assert consumer.read() == before, "nothing went through the exchange"
    (run,) = AuditEntry.objects.all()
    for first, second in zip(before, after, strict=True):
        assert second.body == first.body
        assert second.routing_key == refill.queue
        expected = filled(first.properties)
        del expected["headers"]["CC"]  # the other routing key
        expected["headers"]["x-replay"] = run.id
        assert filled(second.properties) == expected


def test_a_queue_named_like_an_event_gets_no_replayed_message(again, consumers):
    other = consumers("", "cart.created", **{"x-expires": 60_000})
    happen("cart_1", created())
    publish()
    assert len(again()) == 1
    assert other.read() == []


def test_each_stream_keeps_its_order_over_many_batches(again, refill, monkeypatch):
    monkeypatch.setattr(replay, "BATCH_SIZE", 7)
    fill(streams=5, each=20)
    publish()
    again()
    assert in_order(refill.places()) == {f"cart_{n}": 20 for n in range(5)}
    assert len(refill.messages) == 100
    assert len({message.properties.headers["x-replay"] for message in refill.messages}) == 1


def test_the_replayed_events_can_be_selected(again):
    happen("cart_1", created(), added(), added())
    happen("cart_2", created("cart_2"))
    publish()
    Publication.objects.filter(event__stream="cart_2").update(organization_id="org_2")
    one, two, three = positions(event__stream="cart_1")

    def names(*options):
        return sorted(f"{message.place[0]} #{message.place[1]}" for message in again(*options))

    assert names("--stream", "cart_2") == ["cart_2 #1"]
    assert names("--organization", "org_1", "--name", "cart.created") == ["cart_1 #1"]
    assert names("--stream", "cart_1", "--from", two) == ["cart_1 #2", "cart_1 #3"]
    assert names("--stream", "cart_1", "--to", two) == ["cart_1 #1", "cart_1 #2"]
    assert names("--name", "cart.created", "cart.item_added", "--from", three, "--to", three) == [
        "cart_1 #3"
    ]
    Publication.objects.filter(position=one).update(published_at=timezone.now() - timedelta(days=2))
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()
    assert names("--to", yesterday) == ["cart_1 #1"]
    assert len(names("--from", yesterday)) == 3


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--name", "order.canceled"], "is called order.canceled"),
        (["--name", "cart.item_changed"], "No published event matches"),  # never sent
        (["--stream", "cart_2"], "No published event matches"),
        (["--from", "999999999999"], "No published event matches"),
        (["--from", "yesterday"], "“yesterday” is neither a position nor a time"),
        (["--to", "2025-11-23T15:00:00"], "has no time zone"),
        (["--queue", "no.such.queue"], "no.such.queue does not exist or cannot be used"),
        (["--rate", "0/s"], "no rate like 500/s"),
        (["--rate", "fast"], "no rate like 500/s"),
    ],
)
def test_invalid_options_are_refused_and_nothing_is_sent(again, refill, options, why):
    happen("cart_1", created())
    publish()
    with pytest.raises(CommandError, match=why):
        again(*options)
    assert refill.read() == []
    for entry in AuditEntry.objects.all():
        assert why in entry.result
        assert entry.finished_at


def test_the_memory_broker_has_no_queue(settings):
    settings.EVENTS_BROKER_URL = "memory://"
    with pytest.raises(CommandError, match="memory://"):
        call_command("replay_events", "--queue", "x", skip_checks=True)


def test_a_dry_run_counts_the_messages(again, capsys):
    happen("cart_1", created(), added())
    publish()
    assert again("--dry-run") == []
    first, last = positions()
    assert f"2 messages, positions {first} to {last}, would be sent" in capsys.readouterr().out


def test_the_rate_is_limited(again):
    fill(streams=1, each=8)
    publish()
    before = timezone.now()
    assert len(again("--rate", "20/s")) == 8
    assert timezone.now() - before >= timedelta(seconds=6 / 20)


@pytest.fixture
def cut(monkeypatch):
    """Return a function that sets a callback for the first confirmed batch."""

    def arrange(act):
        send = Publisher.send

        def then(self, *arguments):
            send(self, *arguments)
            monkeypatch.setattr(Publisher, "send", send)
            act(self)

        monkeypatch.setattr(Publisher, "send", then)

    monkeypatch.setattr(replay, "BATCH_SIZE", 2)
    return arrange


def lose_connection(publisher):
    publisher.connection.connection.transport.sock.shutdown(socket.SHUT_RDWR)


def lose_database(publisher):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def interrupt(publisher):
    raise KeyboardInterrupt


@pytest.mark.parametrize("accident", [lose_connection, lose_database, interrupt])
def test_an_interrupted_replay_says_where_to_continue(again, refill, cut, accident):
    fill(streams=1, each=5)
    publish()
    second, third = positions()[1:3]
    cut(accident)
    with pytest.raises(
        CommandError, match=f"after 2 of 5 messages.*continue from {third}"
    ) as stopped:
        again()
    assert f"up to position {second} are confirmed" in str(stopped.value)
    entry = AuditEntry.objects.get()
    assert entry.result == str(stopped.value)
    assert entry.finished_at
    got = [message.place[1] for message in refill.read()]
    assert got + [message.place[1] for message in again("--from", third)] == [1, 2, 3, 4, 5]


def test_a_deleted_queue_ends_the_replay(again, refill, cut):
    fill(streams=1, each=3)
    publish()
    cut(lambda publisher: refill.channel.queue_delete(refill.queue))
    with pytest.raises(CommandError, match="after 2 of 3 messages: the queue is gone or full"):
        again()


def test_a_killed_replay_is_unfinished(refill):
    fill(streams=1, each=3)
    publish()
    options = ("--queue", refill.queue, "--rate", "1/s")
    with process("manage.py", "replay_events", *options) as running:
        wait_until(refill.read, "no message arrives")
        running.kill()
        running.wait()
    entry = AuditEntry.objects.get()
    assert entry.actor == f"cli:{getpass.getuser()}"
    assert (entry.action, entry.finished_at) == ("replay_events", None)
    assert entry.arguments == {"queue": refill.queue, "rate": 1}
    assert entry.begun_at
