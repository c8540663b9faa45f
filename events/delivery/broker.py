"""RabbitMQ as this service uses it: connections, the topology, and a temporary listener."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import kombu
from django.conf import settings

from config.core.exceptions import Missing

logger = logging.getLogger(__name__)

HEARTBEAT = 60  # seconds
RESPONSE_TIMEOUT = 10.0  # seconds
ORGANIZATION = "organization_id"  # a header; RabbitMQ does not match those that begin with `x-`
DELIVERY_LIMIT = 10  # redeliveries of one message; the next one makes it a dead letter


class Unavailable(Exception):
    """The broker cannot be reached, does not respond in time, or blocks publishers."""


class NoSuchQueue(Missing):
    """The broker has no queue of this name, or it is exclusive to another connection."""

    code = "no_such_queue"


def routing_key(name: str) -> str:
    """Return the first routing key, like `order.payment.succeeded`; the second is the name."""
    return f"order.{name}"


def exchange() -> kombu.Exchange:
    """Return `order_events`, without arguments, so that any consumer can declare it too."""
    return kombu.Exchange(settings.EVENTS_EXCHANGE, type="topic", durable=True)


def dead_letters() -> kombu.Exchange:
    """Return the exchange that moves dead letters to the dead-letter queue of their queue."""
    return kombu.Exchange(f"{settings.EVENTS_EXCHANGE}.dead", type="direct", durable=True)


def connect() -> kombu.Connection:
    """Open a connection for the calling thread. Raises Unavailable."""
    embedded = settings.EVENTS_BROKER_URL.startswith("memory:")
    timeouts = {
        "connect_timeout": 3,
        "read_timeout": RESPONSE_TIMEOUT,
        "write_timeout": RESPONSE_TIMEOUT,
    }
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
    except (*connection.connection_errors, *connection.channel_errors) as error:
        connection.collect()
        raise Unavailable(str(error)) from error
    return connection


def queues_by_setting() -> Iterator[tuple[str, Mapping[str, Sequence[str]]]]:
    """Yield each setting that binds consumers' queues, with its queues and their events."""
    yield from _shared_queues()
    own = settings.EVENTS_ORGANIZATION_QUEUES.items()
    yield "EVENTS_ORGANIZATION_QUEUES", {queue: of["events"] for queue, of in own}


def _shared_queues() -> Iterator[tuple[str, Mapping[str, Sequence[str]]]]:
    for config in settings.CONSUMER_CONFIG.values():
        yield "CONSUMER_CONFIG", config["queues"]
    for name in ("EVENTS_NAMED_CONSUMERS", "EVENTS_CONSUMER_QUEUES"):
        yield name, getattr(settings, name)


def bindings() -> dict[str, list[str]]:
    """Return the events of each queue that gets those of all organizations, by its name."""
    events: dict[str, list[str]] = {}
    for _, queues in _shared_queues():
        for queue, names in queues.items():
            bound = events.setdefault(f"{settings.EVENTS_QUEUE_PREFIX}{queue}", [])
            bound += [name for name in names if name not in bound]
    return events


def organization_queues() -> dict[str, tuple[str, list[str]]]:
    """Return the organization and the events of each queue of one organization, by its name."""
    return {
        f"{settings.EVENTS_QUEUE_PREFIX}{queue}": (of["organization_id"], of["events"])
        for queue, of in settings.EVENTS_ORGANIZATION_QUEUES.items()
    }


def selection(queue: str) -> kombu.Exchange:
    """Return the exchange between `order_events` and the queue of one organization.

    It gets the queue's events of all organizations, and compares their header.
    """
    return kombu.Exchange(f"{settings.EVENTS_EXCHANGE}.{queue}", type="headers", durable=True)


def queues() -> list[kombu.Queue]:
    """Return the consumers' queues, each after its dead-letter queue."""
    source, dead = exchange(), dead_letters()
    bound = {
        name: [kombu.binding(source, routing_key(event)) for event in events]
        for name, events in bindings().items()
    }
    for name, (organization_id, _) in organization_queues().items():
        match = {"x-match": "all", ORGANIZATION: organization_id}
        bound[name] = [kombu.binding(selection(name), arguments=match)]
    declared = []
    for name, queue_bindings in bound.items():
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": dead.name,
            "x-dead-letter-routing-key": name,
            # With both, a message is kept until it is in its dead-letter queue.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        declared += [
            kombu.Queue(
                f"{name}.dead",
                bindings=[kombu.binding(dead, name)],
                queue_arguments={"x-queue-type": "quorum"},
            ),
            kombu.Queue(
                name,
                bindings=queue_bindings,
                queue_arguments=arguments,
            ),
        ]
    return declared


def listeners(event: str) -> list[str]:
    """Return the names of the consumers' queues that receive an event of every organization."""
    return [queue for queue, events in bindings().items() if event in events]


def organization_listeners() -> set[tuple[str, str]]:
    """Return the organizations that have queues of their own, with each event that these get."""
    return {
        (organization_id, event)
        for organization_id, events in organization_queues().values()
        for event in events
    }


def declare_topology(connection: kombu.Connection | None = None) -> None:
    """Declare the exchange, the consumers' queues and their dead-letter queues; idempotent.

    A queue that exists with other arguments is not changed, only bound. Raises Unavailable.
    """
    if connection is None:
        with connect() as own:
            return declare_topology(own)
    try:
        channel = connection.channel()
        exchange()(channel).declare()
        if is_embedded():
            return None  # no other process can consume, so the queues would only grow
        for name, (_, events) in organization_queues().items():
            selecting = selection(name)(channel)
            selecting.declare()
            for event in events:
                selecting.bind_to(exchange(), routing_key(event))
        for queue in queues():
            _declare(queue, connection)
    except (*connection.connection_errors, *connection.channel_errors) as error:
        raise Unavailable(str(error)) from error
    return None


def _declare(queue: kombu.Queue, connection: kombu.Connection) -> None:
    for declare in (kombu.Queue.declare, _bind):
        try:
            with connection.channel() as channel:
                declare(queue(channel))
            return
        except connection.channel_errors as error:
            logger.error("Queue %s is not changed: %s", queue.name, error)


def _bind(queue: kombu.Queue) -> None:
    for binding in queue.bindings:
        binding.bind(queue)


def expect_queue(name: str, connection: kombu.Connection) -> None:
    """Raise NoSuchQueue unless the queue exists. Nothing is declared."""
    try:
        with connection.channel() as channel:
            kombu.Queue(name)(channel).queue_declare(passive=True)
    except connection.channel_errors as error:
        raise NoSuchQueue(f"Queue {name} does not exist or cannot be used: {error}") from error


def is_embedded() -> bool:
    """Return whether the broker is in this process: publishing then counts as confirmed."""
    return str(settings.EVENTS_BROKER_URL).startswith("memory:")


def tail_name(unique: str) -> str:
    """Return the name of a temporary listener's queue."""
    return f"{settings.EVENTS_QUEUE_PREFIX}tail.{unique}"


def tail(
    on_message: Callable[[bytes, dict[str, Any]], None],
    *,
    listening: threading.Event,
    stop: threading.Event,
) -> None:
    """Call `on_message(body, headers)` for each event from now on, until `stop` is set.

    It reads from a temporary queue, so that consumers miss nothing. `listening` is set once that
    queue is bound. Raises Unavailable.
    """
    queue = kombu.Queue(exchange=exchange(), routing_key="#", exclusive=True, auto_delete=True)
    queue.name = tail_name(kombu.uuid())

    def received(message: kombu.Message) -> None:
        body: Any = message.body
        on_message(body.encode() if isinstance(body, str) else body, message.headers)

    with connect() as connection:
        try:
            with kombu.Consumer(connection, [queue], on_message=received, no_ack=True):
                listening.set()
                while not stop.is_set():
                    try:
                        connection.drain_events(timeout=0.2)
                    except TimeoutError:
                        connection.heartbeat_check()
        except (*connection.connection_errors, *connection.channel_errors) as error:
            raise Unavailable(str(error)) from error
