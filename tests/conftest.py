"""Fixtures of all tests."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import kombu
import pytest
import time_machine
from aiosmtpd.controller import Controller
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.test import Client, TransactionTestCase

from config.admin.models import GroupOrganization
from config.api import idempotency, tokens
from config.api.counters import Counters
from config.api.operations import operation_of
from config.api.revocation import Revocations
from config.api.views import ContextViewSet
from config.celery import app
from config.core import numbering, unit_of_work
from config.core.exceptions import DomainError
from events import reactions
from events.delivery import broker as broker_
from events.delivery import notify
from events.models import Reaction
from events.viewsets import AggregateViewSet
from tests import attached
from tests.mailbox import Mailbox
from tests.reacting import InjectedError


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Use one database for each process, so that several suites can run at once."""
    connection.settings_dict["TEST"]["NAME"] = f"test_{settings.EVENTS_EXCHANGE}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """At the end, fail after a deadlock, even if a retry hid it, or if a connection is still open.

    The processes and threads of the last tests get some seconds to close theirs: PostgreSQL does
    not drop a database that is in use.
    """
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        (deadlocks,) = cursor.fetchone()
        deadline = time.monotonic() + 10
        while others := _other_connections(cursor):
            assert time.monotonic() < deadline, f"connections are still open: {others}"
            time.sleep(0.05)
    assert not deadlocks, f"PostgreSQL broke {deadlocks} deadlocks"


def _other_connections(cursor: Any) -> list[tuple[str, str]]:
    cursor.execute(
        "SELECT state, query FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return list(cursor.fetchall())


@pytest.fixture(scope="session", autouse=True)
def quick_end() -> Iterator[None]:
    """Delete a test's rows: for few rows, Django's TRUNCATE takes ten times as long."""

    def delete_all(test: TransactionTestCase) -> None:
        tables = connection.introspection.django_table_names(include_views=False)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers
            kept = {ContentType._meta.db_table, Permission._meta.db_table}  # made by migrations
            cursor.execute("; ".join(f"DELETE FROM {table}" for table in {*tables} - kept))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", delete_all)
        yield


@pytest.fixture(autouse=True)
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[notify.Notification]:
    """The tasks that were enqueued. They are not sent: tests call the functions themselves."""
    kept: list[notify.Notification] = []
    monkeypatch.setattr(notify, "_put", kept.append)
    return kept


_put = notify._put


@pytest.fixture
def awake(monkeypatch: pytest.MonkeyPatch, enqueued: object) -> None:
    """Send enqueued tasks, with a thread and a connection for this test."""
    notify._forget_after_fork()
    monkeypatch.setattr(notify, "_put", _put)


@pytest.fixture(autouse=True)
def numbers_roll_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take numbers in the transaction of the test, so that each test begins with the first."""
    for services in ("orders.services.lifecycle", "returns.services"):
        monkeypatch.setattr(f"{services}.take_number", numbering.next_number)


@pytest.fixture(autouse=True)
def held_rows_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare what is attached to each unit of work, and what it shows, with the database."""
    monkeypatch.setattr(unit_of_work, "transaction", attached.CheckedTransactions())
    monkeypatch.setattr(AggregateViewSet, "shown", attached.shown_as_stored)


@pytest.fixture(autouse=True)
def no_revocations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never read revoked tokens, which happens every few seconds and takes a query."""
    monkeypatch.setattr(Revocations, "_refresh", lambda revocations: None)


@pytest.fixture(autouse=True)
def counted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count requests without the thread that writes the counts; tests call `flush` themselves."""
    monkeypatch.setattr(Counters, "_start", lambda counters: None)


@pytest.fixture
def stopped_clock() -> Iterator[None]:
    """Stop the time, so that no window of a rate limit ends within the test."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


@pytest.fixture
def run_reactions() -> Callable[[], None]:
    """Return a function that runs the pending reactions of all contexts until none is left."""

    def settle_all() -> None:
        due = Reaction.objects.filter(Q(not_before=None) | Q(not_before__lte=Now()), parked_at=None)
        injected = ["", repr(InjectedError())]
        while True:
            failed = Reaction.objects.exclude(last_error__in=injected).first()
            assert not failed, f"{failed.reaction} failed: {failed.last_error}"
            if not (streams := set(due.values_list("stream", flat=True))):
                return
            for stream in sorted(streams):
                reactions.run_pending(stream)

    return settle_all


class Api(Client):
    """A client of the API, with JSON bodies and a token."""

    def post(self, path: str, data: Any = None, **kwargs: Any) -> Any:
        kwargs = {"content_type": "application/json", **kwargs}
        return super().post(path, {} if data is None else data, **kwargs)


@pytest.fixture
def caller() -> Callable[..., Api]:
    """Return a function that creates clients; an exception in a view becomes a response."""

    def make(scope: str = "*", organization: str = "org_1", subject: str = "user_1") -> Api:
        token = tokens.issue(
            organization_id=organization,
            subject=subject,
            scope=scope,
            lifetime=timedelta(minutes=5),
        )
        return Api(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})

    return make


@pytest.fixture
def api(caller: Callable[..., Api]) -> Api:
    return caller()


class Operator(Client):
    """A client of the admin that sends each form with a new key, like a browser."""

    def post(self, path: str, data: Any = None, **kwargs: Any) -> Any:
        key = {"key": str(uuid4())} if "/do/" in path else {}
        return super().post(path, key | (data or {}), **kwargs)


def group(*permissions: str, organization: str | None) -> Group:
    """Create the group of an organization, or a role, with permissions like `orders.view_order`."""
    made = Group.objects.create(name=str(uuid4()))
    if organization:
        GroupOrganization.objects.create(group=made, organization_id=organization)
    for name in permissions:
        app, codename = name.split(".")
        made.permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return made


@pytest.fixture
def operator(db: None) -> Callable[..., Client]:
    """Return a function that logs in an operator; without permissions, a superuser.

    The permissions count in the organization. None: the operator belongs to no organization.
    """

    def log_in(
        *permissions: str, username: str = "olga", organization: str | None = "org_1"
    ) -> Client:
        user = User.objects.create_user(username, is_staff=True, is_superuser=not permissions)
        if permissions:
            user.groups.add(group(*permissions, organization=organization))
        client = Operator()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def media(settings: Any, tmp_path: Path) -> Path:
    """An empty default storage; returns its folder."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def unused_tcp_port() -> int:
    """A free port of this machine."""
    return free_port()


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    """An SMTP server that receives the mails of this process."""
    mailbox, port = Mailbox(), free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "config.core.mail.SmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    yield mailbox
    controller.stop()


@pytest.fixture(scope="session")
def broker() -> Iterator[kombu.Connection]:
    """RabbitMQ, with an exchange and queues for this process, deleted at the end."""
    with broker_.connect() as connection:
        broker_.declare_topology(connection)
        yield connection
    with broker_.connect() as connection:  # the first one may have timed out
        channel = connection.channel()
        for queue in [q.name for q in broker_.queues()] + list(app.amqp.queues):
            channel.queue_delete(queue)
        ours = settings.EVENTS_EXCHANGE
        for suffix in ("", ".dead", ".tasks", ".celeryev", ".celery.pidbox"):
            channel.exchange_delete(f"{ours}{suffix}")
        channel.exchange_delete(f"reply.{ours}.celery.pidbox")


@pytest.fixture(autouse=True)
def only_declared_errors(monkeypatch):
    """Fail if an operation returns a domain error that its `endpoint` does not declare."""
    handle = ContextViewSet.handle_exception

    def check(view, error):
        if isinstance(error, DomainError) and not type(view).__module__.startswith("tests."):
            declared = {each.code for each in operation_of(view).errors}
            declared |= {idempotency.KeyReused.code, idempotency.InProgress.code}
            assert error.code in declared, f"{type(error).__name__} of {view.action}"
        return handle(view, error)

    monkeypatch.setattr(ContextViewSet, "handle_exception", check)
