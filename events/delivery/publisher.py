"""The way to RabbitMQ: messages, and a channel that tracks its confirms."""

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from enum import Enum
from itertools import takewhile
from math import inf
from typing import Any, NamedTuple

from amqp.exceptions import ContentTooLarge, PreconditionFailed
from amqp.spec import Basic
from django.conf import settings

from events.delivery.broker import (
    NoSuchQueue,
    Unavailable,
    connect,
    declare_topology,
    expect_queue,
    is_embedded,
    listeners,
    routing_key,
)
from events.operations import metrics
from events.schema import registry

APP_ID = "order-service"
DEADLINE = 10.0  # seconds without an answer to any message
WINDOW = 1024 * 1024  # bytes unanswered before answers are read, and that no more is wanted


class Refused(Exception):
    """The broker does not take this message, or it cannot be encoded."""


class Message(NamedTuple):
    """What of an event travels, and its number in the log."""

    number: int
    id: str
    name: str
    version: str
    stream: str
    sequence: int
    timestamp: int  # POSIX seconds
    traceparent: str | None
    body: str


class Replay(NamedTuple):
    """Messages are sent a second time, to one queue only."""

    queue: str
    run: str  # told in the header x-replay


class Outcome(Enum):
    """What the broker said about one message."""

    CONFIRMED = "confirmed"
    NACKED = "nacked"
    RETURNED = "returned"


class Publisher:
    """One thread's connection and its one channel in confirm mode.

    It publishes to the exchange, or for a replay to its queue, past every exchange and binding.
    Raises Unavailable, NoSuchQueue.

    Delivery tags are counted here: the library takes any ack for the message it waits for. After
    any error the connection is thrown away, without a goodbye that a frozen broker would not
    answer; what was not confirmed stays owed.
    """

    def __init__(self, replay: Replay | None = None) -> None:
        self.connection = connect()
        self._replay = replay
        try:
            if replay:
                expect_queue(replay.queue, self.connection)
            else:
                declare_topology(self.connection)
            self.channel: Any = self.connection.channel()
            self.blocked = False
            self._probe: tuple[int, float] | None = None  # a tag in flight, and when it was sent
            self.made_at = self.last_used = time.monotonic()
            self._embedded = is_embedded()
            self._exchange = settings.EVENTS_EXCHANGE
            # Names that a queue is bound to: a return means that the binding is missing.
            self._awaited = {name for name in registry if listeners(name)}
            self._next_tag = 1
            self._in_flight: dict[int, Message] = {}  # by tag, ascending
            self._unanswered = 0  # bytes of their bodies
            # RabbitMQ tells of an alarm when it gets a message: so the first one goes alone.
            self._is_tried = False
            self._returned: set[str] = set()
            if not self._embedded:
                self._track_confirms()
        except (*self.connection.connection_errors, *self.connection.channel_errors) as error:
            self.connection.collect()
            raise Unavailable(str(error)) from error
        except (Unavailable, NoSuchQueue):
            self.connection.collect()
            raise

    def _track_confirms(self) -> None:
        amqp = self.connection.connection
        amqp.on_blocked = lambda reason: self._block(True)
        amqp.on_unblocked = lambda: self._block(False)
        events = self.channel.events
        events["basic_ack"].add(lambda tag, many: self._answered(tag, many, Outcome.CONFIRMED))
        events["basic_nack"].add(lambda tag, many: self._answered(tag, many, Outcome.NACKED))
        events["basic_return"].add(
            lambda error, exchange, key, message: self._returned.add(
                message.properties["message_id"]
            )
        )
        self.channel.confirm_select()

    def _block(self, blocked: bool) -> None:
        metrics.blocked.labels("relay").inc(blocked - self.blocked)
        self.blocked = blocked

    def _answered(self, tag: int, many: bool, outcome: Outcome) -> None:
        tags = list(takewhile(lambda sent: sent <= tag, self._in_flight)) if many else [tag]
        for settled in tags:
            if message := self._in_flight.pop(settled, None):
                self._unanswered -= len(message.body)
                self._is_tried = True
                # A return comes before its ack.
                returned = message.id in self._returned
                self._settle(message, Outcome.RETURNED if returned else outcome)
        if self._probe and self._probe[0] not in self._in_flight:
            metrics.confirm_seconds.observe(time.monotonic() - self._probe[1])
            self._probe = None

    def _settle(self, message: Message, outcome: Outcome) -> None:
        self._outcomes[message.id] = outcome
        self._deadline = min(time.monotonic() + DEADLINE, self._latest)
        if outcome is Outcome.CONFIRMED and (later := self._later.get(message.stream)):
            self._ready.append(later.popleft())

    def send(
        self, messages: Iterable[Message], outcomes: dict[str, Outcome], seconds: float = inf
    ) -> None:
        """Publish all, wait for all; `outcomes` gets each answer by event id, also on failure.

        At most one message of a stream is in flight, so that a nack of the first and an ack of the
        second cannot reorder them; what follows a message that is not confirmed is not sent, and
        after so many seconds nothing is.
        Raises Unavailable for a connection lost, a deadline missed or an exchange that is gone,
        Refused for a message that the broker will never take.
        """
        self._outcomes = outcomes
        self._returned.clear()
        self._ready: deque[Message] = deque()
        self._later: defaultdict[str, deque[Message]] = defaultdict(deque)
        begun: set[str] = set()
        for message in messages:
            if message.stream in begun:
                self._later[message.stream].append(message)
            else:
                begun.add(message.stream)
                self._ready.append(message)
        now = time.monotonic()
        self._deadline, until = now + DEADLINE, now + seconds
        self._latest: float = until + DEADLINE  # however slowly the answers drip in
        try:
            while (more := self._has_more(until)) or self._in_flight:
                window = WINDOW if self._is_tried else 1
                if more and not self.blocked and self._unanswered < window:
                    self._publish(self._ready.popleft())
                else:
                    self._wait()
        except (ContentTooLarge, PreconditionFailed) as error:
            raise Refused(repr(error)) from error
        except (*self.connection.connection_errors, *self.connection.channel_errors) as error:
            raise Unavailable(repr(error)) from error
        except Exception as error:
            raise Refused(repr(error)) from error
        self.last_used = time.monotonic()

    def _has_more(self, until: float) -> bool:
        # While it is blocked nothing is sent anyway, and whoever waits learns that it is away.
        return bool(self._ready) and (self.blocked or time.monotonic() < until)

    def _publish(self, message: Message) -> None:
        headers = {
            "x-stream": message.stream,
            "x-sequence": message.sequence,
            "x-version": message.version,
        }
        if message.traceparent:
            headers["traceparent"] = message.traceparent
        if self._replay:
            # No CC: the default exchange would take it for the names of further queues.
            headers["x-replay"] = self._replay.run
            exchange, key, mandatory = "", self._replay.queue, True
        else:
            headers["CC"] = [message.name]
            exchange, key = self._exchange, routing_key(message.name)
            mandatory = message.name in self._awaited
        prepared = self.channel.prepare_message(
            message.body.encode(),
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            properties={
                "delivery_mode": 2,
                "message_id": message.id,
                "type": message.name,
                "app_id": APP_ID,
                "timestamp": message.timestamp,
            },
        )
        if self._embedded:
            self.channel.basic_publish(prepared, exchange, key)
            self._settle(message, Outcome.CONFIRMED)
            return
        self._in_flight[self._next_tag] = message
        self._unanswered += len(message.body)
        self._probe = self._probe or (self._next_tag, time.monotonic())
        self._next_tag += 1
        # basic_publish would look for answers before each message, at a quarter of its cost; here
        # they are read when the window is full, or nothing is ready.
        arguments = (0, exchange, key, mandatory, False)
        self.channel.send_method(Basic.Publish, "Bssbb", arguments, prepared)

    def _wait(self) -> None:
        """Read an answer. Only where there is none to read has the broker been silent."""
        left = self._deadline - time.monotonic()
        try:
            self.connection.drain_events(timeout=min(max(left, 0.01), 1.0))
        except TimeoutError:
            if left <= 0:
                raise TimeoutError(f"{len(self._in_flight)} messages unconfirmed") from None
            self.connection.heartbeat_check()

    def discard(self) -> None:
        """Throw the connection away."""
        self._block(False)
        self.connection.collect()
