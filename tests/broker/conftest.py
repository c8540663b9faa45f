import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

import kombu
import pika
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from config.api import tokens
from config.core.ids import new_id
from events.delivery import publisher, relay
from events.models import Outbox
from tests.mailbox import Mailbox

CELERY = ("-m", "celery", "-A", "config")
PATIENCE = 60  # seconds until something that must happen counts as lost


def wait_until(condition: Callable[[], object], why: object, patience: float = PATIENCE) -> None:
    """Poll until the condition is true; fail after `patience` seconds.

    For changes that other processes make to the database, the broker or a port.
    """
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, why
        time.sleep(0.005)  # other processes do not notify this one


def message(name: str, stream: str) -> publisher.Message:
    """Return a message without an event in the log."""
    return publisher.Message(
        number=1,
        id=new_id("evt"),
        name=name,
        version="1.0",
        stream=stream,
        sequence=1,
        organization_id="org_1",
        timestamp=0,
        traceparent=None,
        body="{}",
    )


@dataclass(frozen=True)
class Message:
    """A message as a consumer receives it."""

    routing_key: str
    properties: pika.BasicProperties
    body: bytes

    @property
    def id(self) -> str:
        return str(self.properties.message_id)

    @property
    def place(self) -> tuple[str, int]:
        headers: dict[str, Any] = self.properties.headers
        return headers["x-stream"], headers["x-sequence"]


class Consumer:
    """Another service, with another AMQP library.

    It has its own queue, or with `binding` None one that this service declares for it.
    """

    def __init__(self, binding: str | None = "#", queue: str = "", **arguments: Any) -> None:
        url = kombu.Connection(settings.EVENTS_BROKER_URL)
        self.connection = pika.BlockingConnection(
            pika.ConnectionParameters(
                url.hostname,
                url.port or 5672,
                url.virtual_host,
                pika.PlainCredentials(url.userid, url.password),
            )
        )
        self.channel = self.connection.channel()
        declared = self.channel.queue_declare(
            queue,
            passive=binding is None,
            durable=bool(queue),
            exclusive=not queue,
            arguments=arguments,
        )
        self.queue: str = declared.method.queue
        if binding is not None:
            self.bind(binding)
        self.messages: list[Message] = []

    def bind(self, key: str) -> None:
        self.channel.queue_bind(self.queue, settings.EVENTS_EXCHANGE, key)

    def read(self) -> list[Message]:
        """Return all messages so far; what has arrived is taken from the queue."""
        while True:
            method, properties, body = self.channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                return self.messages
            self.messages.append(Message(method.routing_key, properties, body))

    def places(self) -> list[tuple[str, int]]:
        """Return stream and sequence of what has arrived, duplicates removed by message id."""
        unique = {message.id: message.place for message in self.read()}
        return list(unique.values())

    def close(self) -> None:
        self.connection.close()


def in_order(places: list[tuple[str, int]]) -> dict[str, int]:
    """Return the number of messages of each stream; fail if one has a gap or is out of order."""
    counts = {}
    for stream, its in groupby(sorted(places, key=lambda place: place[0]), lambda place: place[0]):
        sequences = [sequence for _, sequence in its]
        assert sequences == list(range(1, len(sequences) + 1)), f"{stream} is out of order"
        counts[stream] = len(sequences)
    return counts


@pytest.fixture
def consumers(broker: Any) -> Iterator[Callable[..., Consumer]]:
    """Return a function that creates consumers, which get the messages from then on."""
    made: list[Consumer] = []

    def consume(binding: str | None = "#", queue: str = "", **arguments: Any) -> Consumer:
        made.append(Consumer(binding, queue, **arguments))
        return made[-1]

    yield consume
    for consumer in made:
        consumer.close()


@pytest.fixture
def consumer(consumers: Callable[..., Consumer]) -> Consumer:
    return consumers()


@pytest.fixture(autouse=True)
def new_connection() -> Iterator[None]:
    """Give each test its own relay connection, without the back-off of an earlier test."""
    yield
    relay._discard_publisher()
    relay._thread.__dict__.clear()


def publish(retries: bool = False) -> None:
    """Publish the pending messages; with `retries`, the delayed ones too."""
    if retries:
        Outbox.objects.filter(parked_at=None).update(not_before=timezone.now())
        relay._thread.__dict__.pop("not_before", None)
    for shard in relay.publish_pending():
        relay.publish_pending(shard)


def environment(**changes: str) -> dict[str, str]:
    """Return the environment for another process on this test's database."""
    name = connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"].rpartition("/")[0]
    return {**os.environ, "DATABASE_URL": f"{url}/{name}", "DATABASE_POOL_SIZE": "10", **changes}


@contextmanager
def process(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python on this test's database and broker; kill it and its children at the end.

    `options` are those of `subprocess.Popen`.
    """
    running = subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(DJANGO_SETTINGS_MODULE="config.settings"),
        cwd=settings.BASE_DIR,
        start_new_session=True,
        **options,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):  # they have ended
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


@pytest.fixture
def web(unused_tcp_port: int, broker: Any) -> Iterator[Callable[..., Any]]:
    """Start web, workers and scheduler; return a function that sends a request."""
    address = f"localhost:{unused_tcp_port}"
    commands = (
        ("-m", "gunicorn", "config.wsgi", "-b", address, "-w", "2", "--log-level", "warning"),
        (*CELERY, "worker", "-n", "one", "--loglevel=WARNING", "--concurrency=2"),
        (*CELERY, "worker", "-n", "two", "--loglevel=WARNING", "--concurrency=2"),
        (*CELERY, "beat", "--loglevel=WARNING"),
    )
    token = tokens.issue(
        organization_id="org_1", subject="user_1", scope="*", lifetime=timedelta(minutes=5)
    )

    def send(method: str, path: str, body: Any = None, **headers: str) -> Any:
        connection = http.client.HTTPConnection(address, timeout=20)
        headers |= {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status < 400, answer
        return answer

    def is_up() -> bool:
        try:
            return bool(send("GET", "/orders"))
        except ConnectionError:
            return False

    with ExitStack() as running:
        for command in commands:
            running.enter_context(process(*command))
        wait_until(is_up, f"{sys.executable} -m gunicorn does not respond")
        yield send


@pytest.fixture
def mails(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """The mails of all processes of the deployment."""
    monkeypatch.setenv("EMAIL_URL", f"smtp://127.0.0.1:{settings.EMAIL_PORT}")
    return mailbox
