"""RabbitMQ as this service uses it: topology, messages, and a channel that tracks its confirms."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import kombu
from django.conf import settings

from events.models import Event

logger = logging.getLogger(__name__)

APP_ID = "order-service"
HEARTBEAT = 60  # seconds
DEADLINE = 10.0  # seconds, for all the messages of one wave
DELIVERY_LIMIT = 10  # deliveries of one message before it is a dead letter


class Unavailable(Exception):
    """The broker is not there, does not answer in time, or wants no messages now."""


class Refused(Exception):
    """The broker closed the channel over a message, or the message cannot be encoded."""


class Outcome(Enum):
    """What the broker said about one message."""

    CONFIRMED = "confirmed"
    NACKED = "nacked"
    RETURNED = "returned"


def routing_key(name: str) -> str:
    """Return the first routing key: `order.payment.succeeded`; the second is the bare name."""
    return f"order.{name}"


def exchange() -> kombu.Exchange:
    """`order_events`, declared without arguments so that any consumer may declare it too."""
    return kombu.Exchange(settings.EVENTS_EXCHANGE, type="topic", durable=True)


def connect() -> kombu.Connection:
    """Open a connection of the calling thread's own. Raises Unavailable."""
    embedded = settings.EVENTS_BROKER_URL.startswith("memory:")
    timeouts = {"connect_timeout": 3, "read_timeout": DEADLINE, "write_timeout": DEADLINE}
    connection = kombu.Connection(
        settings.EVENTS_BROKER_URL,
        heartbeat=HEARTBEAT,
        transport_options={"polling_interval": 0.05} if embedded else timeouts,
    )
    try:
        connection.ensure_connection(
            max_retries=1,
            interval_start=0,
            interval_step=0,
            timeout=5,
            reraise_as_library_errors=False,
        )
    except connection.connection_errors as error:
        connection.collect()
        raise Unavailable(str(error)) from error
    return connection


def queues() -> list[kombu.Queue]:
    """Return the consumers' queues and, for each, the queue of its dead letters."""
    dead = kombu.Exchange(f"{settings.EVENTS_EXCHANGE}.dead", type="direct", durable=True)
    declared = []
    for config in settings.CONSUMER_CONFIG.values():
        source = kombu.Exchange(config["exchange"], type="topic", durable=True)
        for short_name, names in config["queues"].items():
            name = f"{settings.EVENTS_QUEUE_PREFIX}{short_name}"
            arguments = {
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": dead.name,
                "x-dead-letter-routing-key": name,
                # Together they keep a message until its dead-letter queue has it.
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
            bindings = [kombu.binding(source, routing_key(event)) for event in names]
            declared += [
                kombu.Queue(f"{name}.dead", dead, name, queue_arguments={"x-queue-type": "quorum"}),
                kombu.Queue(name, bindings=bindings, queue_arguments=arguments),
            ]
    return declared


def declare_topology(connection: kombu.Connection | None = None) -> None:
    """Declare the exchange, the consumers' queues and their dead-letter queues; idempotent.

    A queue that exists with other arguments is left as it is and logged. Raises Unavailable.
    """
    if connection is None:
        with connect() as own:
            return declare_topology(own)
    try:
        exchange()(connection.channel()).declare()
        if is_embedded():
            return None  # nobody outside the process can consume, so queues would only fill up
        for queue in queues():
            with connection.channel() as channel:
                try:
                    queue(channel).declare()
                except connection.channel_errors as error:
                    logger.error("Queue %s could not be declared: %s", queue.name, error)
    except connection.connection_errors as error:
        raise Unavailable(str(error)) from error
    return None


def is_embedded() -> bool:
    """The in-process broker: a publish that returns counts as confirmed."""
    return str(settings.EVENTS_BROKER_URL).startswith("memory:")


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
            self.channel = self.connection.channel()
            self.blocked = False
            self.last_used = time.monotonic()
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

        Raises Unavailable for a connection lost or a deadline missed, Refused when the broker
        closed the channel or a message cannot be encoded.
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
        except (*self.connection.connection_errors, TimeoutError) as error:
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
            mandatory=event.name in _awaited(),
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


def tail(
    on_message: Callable[[bytes, dict[str, Any]], None],
    *,
    listening: threading.Event,
    stop: threading.Event,
) -> None:
    """Call `on_message(body, headers)` for each event from now on, until `stop` is set.

    It listens on a temporary queue of its own, so it takes nothing from anybody; `listening` is
    set once that queue is bound and misses nothing. Raises Unavailable when the broker goes away.
    """
    queue = kombu.Queue(exchange=exchange(), routing_key="#", exclusive=True, auto_delete=True)
    queue.name = f"{settings.EVENTS_QUEUE_PREFIX}tail.{kombu.uuid()}"

    def received(message: kombu.Message) -> None:
        body = message.body
        on_message(body.encode() if isinstance(body, str) else bytes(body), message.headers)

    with connect() as connection:
        try:
            with kombu.Consumer(connection, [queue], on_message=received, no_ack=True):
                listening.set()
                while not stop.is_set():
                    try:
                        connection.drain_events(timeout=0.2)
                    except TimeoutError:
                        connection.heartbeat_check()
        except connection.connection_errors as error:
            raise Unavailable(str(error)) from error
