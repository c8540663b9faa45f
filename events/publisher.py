"""The way to RabbitMQ: messages, and a channel that tracks its confirms."""

import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from amqp.exceptions import ContentTooLarge, PreconditionFailed
from django.conf import settings

from events.broker import Unavailable, connect, declare_topology, is_embedded, routing_key
from events.models import Event

APP_ID = "order-service"
DEADLINE = 10.0  # seconds, for all the messages of one wave


class Refused(Exception):
    """The broker does not take this message, or it cannot be encoded."""


class Outcome(Enum):
    """What the broker said about one message."""

    CONFIRMED = "confirmed"
    NACKED = "nacked"
    RETURNED = "returned"


class Publisher:
    """One thread's connection and its one channel in confirm mode.

    Delivery tags are counted here: the library takes any ack for the message it waits for. After
    any error the connection is thrown away, without a goodbye that a frozen broker would not
    answer; what was not confirmed stays owed.
    """

    def __init__(self) -> None:
        self.connection = connect()
        try:
            declare_topology(self.connection)
            self.channel: Any = self.connection.channel()
            self.blocked = False
            self.last_used = time.monotonic()
            self._awaited = _awaited()
            self._next_tag = 1
            self._in_flight: dict[int, str] = {}
            self._returned: set[str] = set()
            self._settled: dict[str, Outcome] = {}
            if not is_embedded():
                self._track_confirms()
        except self.connection.connection_errors as error:
            self.connection.collect()
            raise Unavailable(str(error)) from error

    def _track_confirms(self) -> None:
        amqp = self.connection.connection
        amqp.on_blocked = lambda reason: setattr(self, "blocked", True)
        amqp.on_unblocked = lambda: setattr(self, "blocked", False)
        events = self.channel.events
        events["basic_ack"].add(lambda tag, many: self._settle(tag, many, Outcome.CONFIRMED))
        events["basic_nack"].add(lambda tag, many: self._settle(tag, many, Outcome.NACKED))
        events["basic_return"].add(
            lambda error, exchange, key, message: self._returned.add(
                message.properties["message_id"]
            )
        )
        self.channel.confirm_select()

    def _settle(self, tag: int, many: bool, outcome: Outcome) -> None:
        tags = [t for t in self._in_flight if t <= tag] if many else [tag]
        for settled in tags:
            if event_id := self._in_flight.pop(settled, None):
                # A return comes before its ack.
                self._settled[event_id] = (
                    Outcome.RETURNED if event_id in self._returned else outcome
                )

    def send(self, events: Iterable[Event], outcomes: dict[str, Outcome]) -> None:
        """Publish all, wait for all; `outcomes` gets each answer by event id, also on failure.

        Raises Unavailable for a connection lost, a deadline missed or an exchange that is gone,
        Refused for a message that the broker will never take.
        """
        self._settled = outcomes
        self._returned.clear()
        deadline = time.monotonic() + DEADLINE
        try:
            for event in events:
                if self.blocked:
                    self._drain(deadline, until=lambda: not self.blocked)
                self._publish(event)
            self._drain(deadline, until=lambda: not self._in_flight)
        except (ContentTooLarge, PreconditionFailed) as error:
            raise Refused(repr(error)) from error
        except (*self.connection.connection_errors, *self.connection.channel_errors) as error:
            raise Unavailable(repr(error)) from error
        except Exception as error:
            raise Refused(repr(error)) from error
        self.last_used = time.monotonic()

    def _publish(self, event: Event) -> None:
        headers = {
            "CC": [event.name],
            "x-stream": event.stream,
            "x-sequence": event.sequence,
            "x-version": event.version,
        }
        if event.traceparent:
            headers["traceparent"] = event.traceparent
        message = self.channel.prepare_message(
            event.body.encode(),
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            properties={
                "delivery_mode": 2,
                "message_id": event.id,
                "type": event.name,
                "app_id": APP_ID,
                "timestamp": int(event.occurred_at.timestamp()),
            },
        )
        if is_embedded():
            self.channel.basic_publish(message, settings.EVENTS_EXCHANGE, routing_key(event.name))
            self._settled[event.id] = Outcome.CONFIRMED
            return
        self._in_flight[self._next_tag] = event.id
        self._next_tag += 1
        self.channel.basic_publish(
            message,
            settings.EVENTS_EXCHANGE,
            routing_key(event.name),
            mandatory=event.name in self._awaited,
        )

    def _drain(self, deadline: float, until: Callable[[], bool]) -> None:
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{len(self._in_flight)} messages unconfirmed")
            try:
                self.connection.drain_events(timeout=min(left, 1.0))
            except TimeoutError:
                self.connection.heartbeat_check()

    def discard(self) -> None:
        """Throw the connection away."""
        self.connection.collect()


def _awaited() -> set[str]:
    """Names that a configured queue is bound to: a return means that the binding is missing."""
    return {
        name
        for config in settings.CONSUMER_CONFIG.values()
        for names in config["queues"].values()
        for name in names
    }
