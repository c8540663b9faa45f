"""Delivery tags and confirms, with a scripted broker that responds at exact moments."""

from collections import defaultdict
from types import SimpleNamespace

import pytest

from events.delivery import publisher as publisher_
from events.delivery.broker import Unavailable
from events.delivery.publisher import Outcome, Publisher
from tests.broker.conftest import message


class Broker:
    """Replaces kombu's connection and channel; `frames` are the next ones that it sends."""

    connection_errors, channel_errors = (OSError,), ()

    def __init__(self):
        self.connection = SimpleNamespace()
        self.events = defaultdict(set)
        self.frames = []
        self.published = []
        self.answered = 0  # of an earlier batch

    def channel(self):
        return self

    def confirm_select(self):
        pass

    def prepare_message(self, body, **properties):
        return properties

    def send_method(self, method, form, arguments, message):
        self.published.append(message["properties"]["message_id"])

    def drain_events(self, timeout):
        if not self.frames:
            raise TimeoutError
        kind, *arguments = self.frames.pop(0)
        if kind == "no response":
            raise TimeoutError
        for callback in self.events[kind]:
            callback(*arguments)

    def heartbeat_check(self):
        pass

    def ack(self, nth, many=False):
        self.frames.append(("basic_ack", self.answered + nth, many))

    def nack(self, nth, many=False):
        self.frames.append(("basic_nack", self.answered + nth, many))

    def give_back(self, event):
        returned = SimpleNamespace(properties={"message_id": event.id})
        self.frames.append(("basic_return", None, "exchange", "key", returned))


@pytest.fixture
def broker(monkeypatch):
    broker = Broker()
    monkeypatch.setattr(publisher_, "connect", lambda: broker)
    monkeypatch.setattr(publisher_, "declare_topology", lambda connection: None)
    monkeypatch.setattr(publisher_, "DEADLINE", 0.01)
    return broker


@pytest.fixture
def publisher(broker):
    """A publisher whose first message is confirmed, so that it sends several at once."""
    publisher = Publisher()
    broker.ack(1)
    publisher.send([FIRST], {})
    broker.published.clear()
    broker.answered = 1
    return publisher


def event(stream):
    return message(name="cart.created", stream=stream)


FIRST, A, B, C = (event(f"cart_{each}") for each in ("first", "a", "b", "c"))


def test_a_confirm_belongs_to_its_delivery_tag(broker, publisher):
    broker.nack(2)
    broker.ack(3)
    broker.ack(1)
    outcomes = {}
    publisher.send([A, B, C], outcomes)
    assert outcomes == {
        A.id: Outcome.CONFIRMED,
        B.id: Outcome.NACKED,
        C.id: Outcome.CONFIRMED,
    }


def test_a_multiple_confirm_is_for_all_tags_up_to_its_own(broker, publisher):
    broker.ack(2, many=True)
    broker.nack(3, many=True)
    outcomes = {}
    publisher.send([A, B, C], outcomes)
    assert list(outcomes.values()) == [Outcome.CONFIRMED, Outcome.CONFIRMED, Outcome.NACKED]


def test_a_returned_message_is_not_confirmed_by_the_ack_that_follows(broker, publisher):
    broker.ack(1)
    broker.give_back(B)
    broker.ack(2)
    outcomes = {}
    publisher.send([A, B], outcomes)
    assert outcomes == {A.id: Outcome.CONFIRMED, B.id: Outcome.RETURNED}


def test_a_message_without_a_confirm_in_time_is_not_confirmed(broker, publisher):
    broker.ack(1)
    outcomes = {}
    with pytest.raises(Unavailable, match="1 messages unconfirmed"):
        publisher.send([A, B], outcomes)
    assert outcomes == {A.id: Outcome.CONFIRMED}


def test_a_late_ack_is_ignored(broker, publisher):
    with pytest.raises(Unavailable):
        publisher.send([A], {})
    broker.ack(1)
    outcomes = {}
    with pytest.raises(Unavailable):
        publisher.send([B], outcomes)
    assert B.id not in outcomes


def test_an_unknown_tag_is_ignored(broker, publisher):
    broker.ack(7)
    outcomes = {}
    with pytest.raises(Unavailable):
        publisher.send([A], outcomes)
    assert outcomes == {}


def test_a_blocking_broker_gets_no_messages_until_it_unblocks(broker, publisher):
    broker.connection.on_blocked("memory alarm")
    with pytest.raises(Unavailable):
        publisher.send([A], {})
    assert broker.published == []
    broker.events["unblocked"].add(broker.connection.on_unblocked)
    broker.frames.append(("unblocked",))
    broker.ack(1)
    outcomes = {}
    publisher.send([A], outcomes)
    assert outcomes == {A.id: Outcome.CONFIRMED}


def test_a_broker_that_starts_to_block_gets_one_window_at_most(broker, publisher, monkeypatch):
    monkeypatch.setattr(publisher_, "WINDOW", 3 * len(A.body))
    broker.events["blocked"].add(broker.connection.on_blocked)
    broker.frames.append(("blocked", "memory alarm"))
    broker.ack(1)
    with pytest.raises(Unavailable):
        publisher.send([event(f"cart_{n}") for n in range(9)], {})
    assert len(broker.published) == 3


def test_the_first_message_of_a_connection_is_sent_alone(broker):
    """RabbitMQ reports an alarm only then, and keeps messages that arrived before."""
    publisher = Publisher()
    broker.events["blocked"].add(broker.connection.on_blocked)
    broker.frames.append(("blocked", "memory alarm"))
    with pytest.raises(Unavailable):
        publisher.send([A, B, C], {})
    assert broker.published == [A.id]


def test_a_batch_that_takes_longer_than_the_deadline_is_confirmed(broker, publisher, monkeypatch):
    """The confirms are in the socket buffer: they are read before the deadline counts."""
    clock = SimpleNamespace(monotonic=lambda: len(broker.published) * 60.0)
    monkeypatch.setattr(publisher_, "time", clock)
    for tag in (1, 2, 3):
        broker.ack(tag)
    outcomes = {}
    publisher.send([A, B, C], outcomes)
    assert set(outcomes.values()) == {Outcome.CONFIRMED}
    assert len(outcomes) == 3


def test_after_the_time_limit_confirms_are_awaited_and_nothing_more_is_sent(
    broker, publisher, monkeypatch
):
    clock = SimpleNamespace(monotonic=lambda: len(broker.published) * 60.0)
    monkeypatch.setattr(publisher_, "time", clock)
    broker.ack(1)
    broker.ack(2)
    outcomes = {}
    publisher.send([A, B, C], outcomes, 100)
    assert outcomes == {A.id: Outcome.CONFIRMED, B.id: Outcome.CONFIRMED}


def test_slow_confirms_do_not_keep_the_shard_forever(broker, publisher, monkeypatch):
    for nth in range(1, 10):
        broker.ack(nth)
        broker.frames.append(("no response",))
    clock = SimpleNamespace(monotonic=lambda: 4.0 * (18 - len(broker.frames)))
    monkeypatch.setattr(publisher_, "time", clock)
    monkeypatch.setattr(publisher_, "DEADLINE", 10)
    outcomes = {}
    with pytest.raises(Unavailable):
        publisher.send([event(f"cart_{n}") for n in range(9)], outcomes, 5)
    assert len(outcomes) == 3, "the confirmed ones count"
