"""What each user of RabbitMQ may do, on a node that is set up as compose.yaml does it."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

import kombu
import pika
import pytest
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings
from pika.exceptions import ChannelClosedByBroker, ProbableAccessDeniedError

from events import outbox
from events.delivery import broker
from events.models import Outbox
from tests.broker.conftest import environment, process, publish, wait_until
from tests.broker.faults import node as node_
from tests.broker.faults.node import Node
from tests.broker.test_deployment import BIN, COMPOSE, ROOT
from tests.events.sample_events import NOON, abandoned, added, created, happen

pytestmark = [pytest.mark.xdist_group("broker_rights"), pytest.mark.django_db(transaction=True)]

ACME = {"organization_id": "org_acme", "events": ["cart.created", "cart.item_added"]}
ORGANIZATION_QUEUES = {"acme_order_consumer": ACME}
PREFIX = settings.EVENTS_QUEUE_PREFIX
EXCHANGE = settings.EVENTS_EXCHANGE
MINE, ACMES = f"{PREFIX}marketing_order_consumer", f"{PREFIX}acme_order_consumer"


def interpolated(text: str) -> str:
    """Return the text as Compose does it with the prefix of the tests."""
    default = re.compile(r"\$\{(\w+):-([^${}]*)\}")
    while found := default.search(text):
        value = PREFIX if found[1] == "EVENTS_QUEUE_PREFIX" else found[2]
        text = text.replace(found[0], value)
    return text.replace("$$", "$")


@dataclass
class Rights:
    node: Node
    run: Path  # /run of the containers

    def url(self, user: str, vhost: str) -> str:
        password = (self.run / "broker" / "passwords" / user).read_text()
        return self.node.url_of(f"{user}:{password}", vhost)

    @contextmanager
    def connected(self, user: str, vhost: str = "events") -> Iterator[pika.BlockingConnection]:
        with pika.BlockingConnection(pika.URLParameters(self.url(user, vhost))) as connection:
            yield connection

    def environment(self, service: str) -> dict[str, str]:
        """Return the variables of a service of compose.yaml that lead to the broker."""
        given = COMPOSE["services"][service]["environment"]
        at_node = f"127.0.0.1:{self.node.port}/"
        changes = {
            name: interpolated(given[name]).replace("rabbitmq/", at_node)
            for name in ("CELERY_BROKER_URL", "EVENTS_BROKER_URL")
        }
        password = given["BROKER_PASSWORD_FILE"].replace("/run/", f"{self.run}/")
        return changes | {
            "BROKER_PASSWORD_FILE": password,
            "EVENTS_ORGANIZATION_QUEUES": json.dumps(ORGANIZATION_QUEUES),
        }


@pytest.fixture(scope="module")
def rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rights]:
    if not node_.is_possible():
        pytest.skip("rabbitmq-server is not installed here")
    run = tmp_path_factory.mktemp("run")
    for name in ("order-service", "worker", "database", "broker"):
        (run / name).mkdir()
    *shell, script = COMPOSE["services"]["setup"]["command"]
    configuration = COMPOSE["configs"]["rabbitmq"]["content"].replace("/run/", f"{run}/")
    node = Node(tmp_path_factory.mktemp("rabbitmq"), configuration)
    made = Rights(node, run)
    changes = made.environment("web") | {
        "BROKER_PASSWORD_FILE": "",
        "DATABASE_URL": "postgres://127.0.0.1:1/which_does_not_run",
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    script = interpolated(script).replace("/run/", f"{run}/")
    subprocess.run([*shell, script], env=environment(**changes), cwd=ROOT, check=True)
    with override_settings(
        EVENTS_ORGANIZATION_QUEUES=ORGANIZATION_QUEUES,
        CELERY_BROKER_URL="amqp:///tasks",
        EVENTS_BROKER_URL="amqp:///declaring",
    ):
        _add_vhost_whose_consumers_may_declare(run / "broker")
    node.url = made.url(f"{PREFIX}worker", "events")
    try:
        node.start()
        yield made
    finally:
        node.stop()


def _add_vhost_whose_consumers_may_declare(directory: Path) -> None:
    printed = StringIO()
    passwords = str(directory / "passwords")
    call_command("broker_definitions", passwords, "--may-declare", stdout=printed)
    file = directory / "definitions.json"
    more, definitions = json.loads(printed.getvalue()), json.loads(file.read_text())
    for kind in ("vhosts", "permissions", "topic_permissions"):
        definitions[kind] += [each for each in more[kind] if each not in definitions[kind]]
    file.write_text(json.dumps(definitions))


@pytest.fixture
def as_worker(rights: Rights, settings) -> Callable[[str], None]:
    """Return a function that makes this process a worker in a vhost, with its topology."""

    def use(vhost: str) -> None:
        settings.EVENTS_ORGANIZATION_QUEUES = ORGANIZATION_QUEUES
        settings.EVENTS_BROKER_URL = rights.url(f"{PREFIX}worker", vhost)
        settings.EVENTS_BROKER_USER_ID = f"{PREFIX}worker"
        broker.declare_topology()

    return use


def attempt(connection: pika.BlockingConnection, act: Callable) -> int:
    """Return the code with which RabbitMQ refuses an operation, or 0."""
    channel = connection.channel()
    channel.confirm_delivery()  # so that publishing waits for the response
    try:
        act(channel)
        channel.close()
    except ChannelClosedByBroker as error:
        return error.reply_code
    return 0


def on_queue(name: str) -> dict[str, Callable]:
    return {
        f"get from {name}": lambda channel: channel.basic_get(name),
        f"consume {name}": lambda channel: channel.basic_consume(name, print),
        f"purge {name}": lambda channel: channel.queue_purge(name),
        f"publish to {name}": lambda channel: channel.basic_publish("", name, b"{}"),
        f"declare {name}": lambda channel, **more: channel.queue_declare(
            name, durable=True, **more
        ),
        f"delete {name}": lambda channel: channel.queue_delete(name),
        f"bind {name}": lambda channel: channel.queue_bind(name, EXCHANGE, "order.confirmed"),
        f"unbind {name}": lambda channel: channel.queue_unbind(name, EXCHANGE, "order.confirmed"),
    }


def on_exchange(name: str, queue: str) -> dict[str, Callable]:
    acme = {"x-match": "all", broker.ORGANIZATION: "org_acme"}
    return {
        f"publish to exchange {name}": lambda channel: channel.basic_publish(
            name, "order.order.confirmed", b"{}"
        ),
        f"declare exchange {name}": lambda channel: channel.exchange_declare(name, "topic"),
        f"delete exchange {name}": lambda channel: channel.exchange_delete(name),
        f"bind exchange {name}": lambda channel: channel.exchange_bind(name, EXCHANGE, "#"),
        f"bind the own queue to {name}": lambda channel: channel.queue_bind(
            queue, name, "order.confirmed", acme
        ),
    }


def exchanges() -> list[str]:
    names = [EXCHANGE, broker.dead_letters().name, broker.selection(ACMES).name]
    return [*names, "amq.topic", "amq.fanout", "amq.headers", "one_of_its_own"]


def test_a_consumer_can_read_its_queue_and_do_nothing_else(rights, as_worker):
    """Except to declare a queue passively, for which RabbitMQ checks no right."""
    as_worker("events")
    happen("cart_1", created(), abandoned())
    publish()
    queues = [queue.name for queue in broker.queues()]
    users = [name for name in queues if not name.endswith(".dead")]
    assert len(users) == 8
    for user in users:
        may = {f"{act} {user}" for act in ("get from", "consume", "purge")}
        attempts = {"declare one that RabbitMQ names": lambda channel: channel.queue_declare("")}
        for name in [*queues, *settings.CELERY_TASK_QUEUES, f"{PREFIX}tail.1"]:
            attempts |= on_queue(name)
        for name in exchanges():
            attempts |= on_exchange(name, user)
        with rights.connected(user) as connection:
            done = {name for name, act in attempts.items() if attempt(connection, act) != 403}
        assert done == may
        for vhost in ("tasks", "/"):
            with pytest.raises(ProbableAccessDeniedError), rights.connected(user, vhost):
                pass


def test_a_consumer_reads_what_a_worker_has_published(rights, as_worker):
    as_worker("events")
    happen("cart_1", created(), abandoned())
    publish()
    with rights.connected(MINE) as connection:
        method, properties, _ = connection.channel().basic_get(MINE, auto_ack=True)
    assert method.routing_key == "order.cart.abandoned"
    assert properties.user_id == f"{PREFIX}worker"


def test_the_service_enqueues_tasks_that_a_worker_runs(rights, monkeypatch, tmp_path):
    happen("cart_1", created(), abandoned())
    log = tmp_path / "log"
    for name, value in rights.environment("workers").items():
        monkeypatch.setenv(name, value)
    with (
        open(log, "wb") as stderr,
        process("-m", "config.workers", "relay", stderr=stderr) as running,
        kombu.Connection(rights.url(f"{PREFIX}service", "tasks")) as connection,
    ):
        current_app.send_task("events.tasks.relay", connection=connection)
        wait_until(lambda: not Outbox.objects.exists(), "the worker does not publish")
        running.terminate()
        running.wait()
    assert "ACCESS_REFUSED" not in log.read_text()


def test_the_service_can_neither_read_tasks_nor_reach_the_events(rights):
    user = f"{PREFIX}service"
    with (
        kombu.Connection(rights.url(user, "tasks")) as connection,
        rights.connected(user, "tasks") as reader,
    ):
        for queue in settings.CELERY_TASK_QUEUES:
            current_app.send_task("events.tasks.sweep", queue=queue, connection=connection)
            reads = on_queue(queue)
            for act in ("get from", "consume", "purge"):
                assert attempt(reader, reads[f"{act} {queue}"]) == 403
    with pytest.raises(ProbableAccessDeniedError), rights.connected(user, "events"):
        pass


class TestConsumersThatMayDeclare:
    def declare(self, name: str) -> Callable:
        """Declare a queue like this service does."""
        (queue,) = [queue for queue in broker.queues() if queue.name == name]
        arguments = queue.queue_arguments
        return lambda channel: channel.queue_declare(name, durable=True, arguments=arguments)

    def test_declare_their_queue_and_bind_it_to_their_events(self, rights, as_worker):
        as_worker("declaring")
        with rights.connected(MINE, "declaring") as connection:
            channel = connection.channel()
            self.declare(MINE)(channel)
            for key in ("cart.abandoned", "order.cart.abandoned"):
                channel.queue_bind(MINE, EXCHANGE, key)

    def test_cannot_forge_events_by_dead_letters(self, rights):
        with rights.connected(MINE, "declaring") as connection:
            connection.channel().queue_delete(MINE)
            for exchange in (EXCHANGE, broker.dead_letters().name, ""):
                to = {"x-dead-letter-exchange": exchange}
                declare = partial(on_queue(MINE)[f"declare {MINE}"], arguments=to)
                assert attempt(connection, declare) == 403

    def test_do_nothing_else(self, rights, as_worker):
        as_worker("declaring")
        queues = [queue.name for queue in broker.queues()]
        attempts = {"declare one that RabbitMQ names": lambda channel: channel.queue_declare("")}
        for name in queues:
            if name != MINE:
                attempts |= on_queue(name)
        for name in exchanges():
            attempts |= on_exchange(name, MINE)
        attempts |= {
            f"bind to {key}": lambda channel, key=key: channel.queue_bind(MINE, EXCHANGE, key)
            for key in ("#", "order.#", "cart.*", "order.confirmed", "cart_abandoned", "")
        }
        attempts |= {"forge": lambda channel: channel.basic_publish("", MINE, b"{}")}
        with rights.connected(MINE, "declaring") as connection:
            done = {name for name, act in attempts.items() if attempt(connection, act) != 403}
        assert not done
        with rights.connected(ACMES, "declaring") as connection:
            for name, act in (on_queue(ACMES) | on_exchange(EXCHANGE, ACMES)).items():
                if "bind" in name or "declare" in name:
                    assert attempt(connection, act) == 403


def record(stream: str, organization_id: str, *events: object) -> None:
    with transaction.atomic():
        outbox.record(
            [(event, NOON) for event in events],
            organization_id=organization_id,
            stream=stream,
            subject=stream,
        )


class TestQueueOfOneOrganization:
    def received(self, rights: Rights) -> list[tuple[str, int]]:
        places = []
        with rights.connected(ACMES) as connection:
            channel = connection.channel()
            while (found := channel.basic_get(ACMES, auto_ack=True))[0]:
                headers = found[1].headers
                places.append((headers["x-stream"], headers["x-sequence"]))
        return places

    def test_gets_its_events_in_order_and_no_others(self, rights, as_worker):
        as_worker("events")
        for _ in range(3):
            record("cart_acme", "org_acme", created(), added(), abandoned())
            record("cart_other", "org_other", created(), added())
        publish()
        assert not Outbox.objects.exists(), "what no queue gets is not returned"
        in_order = [("cart_acme", n) for n in range(1, 10) if n % 3]
        assert self.received(rights) == in_order

    def test_is_declared_again_if_it_is_missing(self, rights, as_worker):
        as_worker("events")
        record("cart_acme", "org_acme", created())
        publish()
        with rights.connected(f"{PREFIX}worker") as connection:
            connection.channel().queue_delete(ACMES)
        record("cart_acme", "org_acme", added())
        publish()
        publish(retries=True)
        assert self.received(rights) == [("cart_acme", 2)]
