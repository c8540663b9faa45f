"""RabbitMQ as this service uses it: the connection, the topology, and listening to it."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import kombu
from django.conf import settings

from config.core.exceptions import Missing

logger = logging.getLogger(__name__)

HEARTBEAT = 60  # seconds
SILENCE = 10.0  # seconds that the broker may take for one answer
DELIVERY_LIMIT = 10  # deliveries of one message before it is a dead letter


class Unavailable(Exception):
    """The broker is not there, does not answer in time, or wants no message now."""


class NoSuchQueue(Missing):
    """The broker has no queue of that name, or keeps it to somebody else."""

    code = "no_such_queue"


def routing_key(name: str) -> str:
    """Return the first routing key: `order.payment.succeeded`; the second is the bare name."""
    return f"order.{name}"


def exchange() -> kombu.Exchange:
    """`order_events`, declared without arguments so that any consumer may declare it too."""
    return kombu.Exchange(settings.EVENTS_EXCHANGE, type="topic", durable=True)


def connect() -> kombu.Connection:
    """Open a connection of the calling thread's own. Raises Unavailable."""
    embedded = settings.EVENTS_BROKER_URL.startswith("memory:")
    timeouts = {"connect_timeout": 3, "read_timeout": SILENCE, "write_timeout": SILENCE}
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
                kombu.Queue(
                    f"{name}.dead",
                    bindings=[kombu.binding(dead, name)],
                    queue_arguments={"x-queue-type": "quorum"},
                ),
                kombu.Queue(name, bindings=bindings, queue_arguments=arguments),
            ]
    return declared


def listeners(event: str) -> list[str]:
    """Return the names of the consumers' queues that an event goes into."""
    return [
        f"{settings.EVENTS_QUEUE_PREFIX}{queue}"
        for config in settings.CONSUMER_CONFIG.values()
        for queue, events in config["queues"].items()
        if event in events
    ]


def declare_topology(connection: kombu.Connection | None = None) -> None:
    """Declare the exchange, the consumers' queues and their dead-letter queues; idempotent.

    A queue that exists with other arguments stays as it is, and is bound. Raises Unavailable.
    """
    if connection is None:
        with connect() as own:
            return declare_topology(own)
    try:
        exchange()(connection.channel()).declare()
        if is_embedded():
            return None  # nobody outside the process can consume, so queues would only fill up
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
            logger.error("Queue %s is used as it is: %s", queue.name, error)


def _bind(queue: kombu.Queue) -> None:
    for binding in queue.bindings:
        binding.bind(queue)


def expect_queue(name: str, connection: kombu.Connection) -> None:
    """Raise NoSuchQueue unless there is one; nothing is declared."""
    try:
        with connection.channel() as channel:
            kombu.Queue(name)(channel).queue_declare(passive=True)
    except connection.channel_errors as error:
        raise NoSuchQueue(f"The queue {name} cannot be sent to: {error}") from error


def is_embedded() -> bool:
    """The in-process broker: a publish that returns counts as confirmed."""
    return str(settings.EVENTS_BROKER_URL).startswith("memory:")


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
