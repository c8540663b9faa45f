"""Sends messages to RabbitMQ on a channel in confirm mode, and tracks the confirms."""

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
    ORGANIZATION,
    NoSuchQueue,
    Unavailable,
    connect,
    declare_topology,
    expect_queue,
    is_embedded,
    listeners,
    organization_listeners,
    routing_key,
)
from events.operations import metrics
from events.schema import registry

APP_ID = "order-service"
DEADLINE = 10.0  # seconds without a confirm of any message
WINDOW = 1024 * 1024  # bytes in flight; above it, confirms are read before more is sent


class Refused(Exception):
    """The broker does not accept this message, or it cannot be encoded."""


class Message(NamedTuple):
    """What is sent of an event, and the event's number in the log."""

    number: int
    id: str
    name: str
    version: str
    stream: str
    sequence: int
    organization_id: str
    timestamp: int  # POSIX seconds
    traceparent: str | None
    body: str


class Replay(NamedTuple):
    """Where a replay sends messages: to one queue only."""

    queue: str
    run: str  # the value of the header x-replay


class Outcome(Enum):
    """The broker's response to one message."""

    CONFIRMED = "confirmed"
    NACKED = "nacked"
    RETURNED = "returned"


class Publisher:
    """A connection of one thread, with one channel in confirm mode.

    It publishes to the exchange; a replay publishes to its queue, through the default exchange.
    Raises Unavailable, NoSuchQueue.

    The class counts delivery tags itself, because py-amqp takes any ack for the message that it
    waits for. After any error it closes the socket without the closing handshake, which a frozen
    broker would not answer. Messages without a confirm stay pending.
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
            # RabbitMQ compares it with the user of the connection: so it vouches for the sender.
            user_id = settings.EVENTS_BROKER_USER_ID
            self._sender = {"user_id": user_id} if user_id else {}
            self._exchange = settings.EVENTS_EXCHANGE
            # Events that a queue is bound to: a return means that the binding is missing.
            self._routed = {name for name in registry if listeners(name)}
            self._routed_to = organization_listeners()
            self._next_tag = 1
            self._in_flight: dict[int, Message] = {}  # by tag, ascending
            self._bytes_in_flight = 0
            # RabbitMQ reports an alarm when a message arrives, so the first one is sent alone.
            self._has_response = False
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
        events["basic_ack"].add(lambda tag, many: self._on_response(tag, many, Outcome.CONFIRMED))
        events["basic_nack"].add(lambda tag, many: self._on_response(tag, many, Outcome.NACKED))
        events["basic_return"].add(
            lambda error, exchange, key, message: self._returned.add(
                message.properties["message_id"]
            )
        )
        self.channel.confirm_select()

    def _block(self, blocked: bool) -> None:
        metrics.blocked.labels("relay").inc(blocked - self.blocked)
        self.blocked = blocked

    def _on_response(self, tag: int, many: bool, outcome: Outcome) -> None:
        tags = list(takewhile(lambda sent: sent <= tag, self._in_flight)) if many else [tag]
        for tag_in_flight in tags:
            if message := self._in_flight.pop(tag_in_flight, None):
                self._bytes_in_flight -= len(message.body)
                self._has_response = True
                # The broker returns a message before it acks it.
                returned = message.id in self._returned
                self._finish(message, Outcome.RETURNED if returned else outcome)
        if self._probe and self._probe[0] not in self._in_flight:
            metrics.confirm_seconds.observe(time.monotonic() - self._probe[1])
            self._probe = None

    def _finish(self, message: Message, outcome: Outcome) -> None:
        self._outcomes[message.id] = outcome
        self._deadline = min(time.monotonic() + DEADLINE, self._latest)
        if outcome is Outcome.CONFIRMED and (later := self._later.get(message.stream)):
            self._ready.append(later.popleft())

    def send(
        self, messages: Iterable[Message], outcomes: dict[str, Outcome], seconds: float = inf
    ) -> None:
        """Publish the messages and wait for the responses, which `outcomes` gets by event id.

        At most one message of a stream is in flight, so that a nack of the first and an ack of the
        second cannot reorder them. A message is not sent unless its predecessor in the stream was
        confirmed. After `seconds` no further message is sent.

        Raises Unavailable if the connection is lost, no confirm arrives in time, or the exchange
        does not exist; Refused if the broker will never accept a message. `outcomes` is filled in
        both cases.
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
        self._latest: float = until + DEADLINE  # the end, however slowly confirms arrive
        try:
            while (more := self._has_more(until)) or self._in_flight:
                window = WINDOW if self._has_response else 1
                if more and not self.blocked and self._bytes_in_flight < window:
                    self._send_one(self._ready.popleft())
                else:
                    self._wait()
        except (ContentTooLarge, PreconditionFailed) as error:
            if "user_id property" in str(error):  # EVENTS_BROKER_USER_ID is wrong, not the message
                raise Unavailable(repr(error)) from error
            raise Refused(repr(error)) from error
        except (*self.connection.connection_errors, *self.connection.channel_errors) as error:
            raise Unavailable(repr(error)) from error
        except Exception as error:
            raise Refused(repr(error)) from error
        self.last_used = time.monotonic()

    def _has_more(self, until: float) -> bool:
        # While the broker blocks nothing is sent, and waiting ends with Unavailable.
        return bool(self._ready) and (self.blocked or time.monotonic() < until)

    def _send_one(self, message: Message) -> None:
        headers = {
            "x-stream": message.stream,
            "x-sequence": message.sequence,
            "x-version": message.version,
            ORGANIZATION: message.organization_id,
        }
        if message.traceparent:
            headers["traceparent"] = message.traceparent
        if self._replay:
            # Without CC, which the default exchange would read as names of further queues.
            headers["x-replay"] = self._replay.run
            exchange, key, mandatory = "", self._replay.queue, True
        else:
            headers["CC"] = [message.name]
            exchange, key = self._exchange, routing_key(message.name)
            own = (message.organization_id, message.name)
            mandatory = message.name in self._routed or own in self._routed_to
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
                **self._sender,
            },
        )
        if self._embedded:
            self.channel.basic_publish(prepared, exchange, key)
            self._finish(message, Outcome.CONFIRMED)
            return
        self._in_flight[self._next_tag] = message
        self._bytes_in_flight += len(message.body)
        self._probe = self._probe or (self._next_tag, time.monotonic())
        self._next_tag += 1
        # One layer below kombu's Producer, which sends at 0.6 to 0.7 of this speed (medians of 24
        # pairs of 20,000 messages, in turn on one channel of a busy machine). Before each message,
        # its `channel.basic_publish` polls the socket for responses. Here they are read when the
        # window is full or no message is ready, and this is the frame that it writes after polling.
        arguments = (0, exchange, key, mandatory, False)
        self.channel.send_method(Basic.Publish, "Bssbb", arguments, prepared)

    def _wait(self) -> None:
        """Read a response. The deadline counts only while there is none to read."""
        left = self._deadline - time.monotonic()
        try:
            self.connection.drain_events(timeout=min(max(left, 0.01), 1.0))
        except TimeoutError:
            if left <= 0:
                raise TimeoutError(f"{len(self._in_flight)} messages unconfirmed") from None
            self.connection.heartbeat_check()

    def discard(self) -> None:
        """Close the socket, without the closing handshake."""
        self._block(False)
        self.connection.collect()
