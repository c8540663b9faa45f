"""Every list, timer and count reads few more rows than it needs, on a large database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from django.conf import settings as settings_
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_filters import IsoDateTimeFilter

from config.celery import app
from config.urls import urlpatterns  # noqa: F401  all views are imported
from events.operations import retention
from events.viewsets import AggregateViewSet
from tests.benchmarks.loaded import PERIOD
from tests.benchmarks.measure import Line, table
from tests.promql import PROMETHEUS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.loaded]
LARGE = 50_000  # rows
JUDGED = ("SELECT", "UPDATE", "DELETE", "WITH")
# A list of the log by name is read from its end, even if the name has become rare; a timer that
# runs once an hour may read every order.
PATIENT = ("/admin/events/eventrecord/?name=", "events.tasks.remove_old_events")


class Plans:
    """The statements of a block: those that read far too many rows, and the time of each."""

    def __init__(self, large: set[str]) -> None:
        self.large = large  # tables
        self.about = ""
        self.scans: dict[str, str] = {}
        self.took: list[tuple[float, str]] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        if sql.startswith(JUDGED) and sql not in self.scans:
            for reading in self._large_readings(sql, params):
                self.scans[sql] = f"{self.about}: {reading}: {sql}"
        started = perf_counter()
        try:
            return execute(sql, params, *rest)
        finally:
            self.took.append((perf_counter() - started, self.about))

    def _large_readings(self, sql: str, params: Any) -> Iterator[str]:
        # The statement is executed for its plan, without an effect, and then again.
        with connection.connection.cursor() as cursor, transaction.atomic():
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
            plans = [cursor.fetchone()[0][0]["Plan"]]
            transaction.set_rollback(True)
        while plans:
            plan = plans.pop()
            plans += plan.get("Plans", [])
            table = plan.get("Relation Name")
            removed = plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
            if plan["Node Type"] == "Seq Scan" and table in self.large:
                yield f"scans {table}"
            elif removed > LARGE and not self.about.startswith(PATIENT):
                yield f"reads {removed} rows too many of {table}"

    @contextmanager
    def watch(self, about: str, *, pending: bool = False) -> Iterator[None]:
        """Roll the block back. With `pending`, many messages are pending, as after an outage."""
        self.about = about
        undone = transaction.atomic()
        undone._from_testcase = True  # a durable block is allowed within it
        with undone:
            if pending:
                self._add_pending()
            with connection.execute_wrapper(self):
                yield
            transaction.set_rollback(True)
        if pending:
            with connection.cursor() as cursor:  # ANALYZE is not rolled back
                cursor.execute("VACUUM ANALYZE events_outbox, events_reaction")

    def _add_pending(self) -> None:
        latest = "FROM events_eventrecord WHERE sequence > 0 ORDER BY number DESC LIMIT 200000"
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO events_outbox (event_id, stream, shard, attempts, last_error)"
                f" SELECT number, stream, hashtext(stream) & 3, 0, '' {latest}"
                " ON CONFLICT DO NOTHING"
            )
            cursor.execute(
                "INSERT INTO events_reaction (event_id, reaction, stream, context, attempts,"
                f" last_error) SELECT number, 'orders.it', stream, 'orders', 0, '' {latest}"
            )
            cursor.execute("ANALYZE events_outbox, events_reaction")
        self.large |= {"events_outbox", "events_reaction"}


@pytest.fixture
def plans(loaded: Any) -> Iterator[Plans]:
    with loaded() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE reltuples > %s", [LARGE])
        plans = Plans({name for (name,) in cursor.fetchall()})
        yield plans
    took, about = max(plans.took)
    table.append(Line(f"slowest statement, in ms: {unquote(about)}", f"{took * 1000:.1f}"))
    assert not plans.scans, "\n\n".join(plans.scans.values())


def test_lists(plans, api):
    """Every list of the API, by each of its filters."""
    for view in AggregateViewSet.__subclasses__():
        path = reverse(f"{view.queryset.model._meta.model_name}-list")
        for query in ({}, *_queries(view.filterset_class.base_filters)):
            with plans.watch(f"{path}?{urlencode(query)}"):
                assert api.get(path, query).status_code == 200, query


def _queries(filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, each in filters.items():
        if isinstance(each, IsoDateTimeFilter):
            for moment in (timezone.now(), timezone.now() - PERIOD / 2):
                yield {name: moment.isoformat()}
        elif choices := each.extra.get("choices"):
            yield from ({name: value} for value, _ in choices)
        elif name == "metadata":
            yield {name: "engraving:Ana"}
        else:
            yield {name: "order_01JCZ5B2QH8M3T6R9W1K4X7V0B"}


def test_feed(plans, api):
    """Filter by a frequent name, and by one without an event."""
    names = ({"name": "order.delivered"}, {"name": "cart.abandoned"})
    for query in ({}, *names, {"stream": "cart_x"}):
        with plans.watch(f"the feed, {query}"):
            assert api.get("/api/v1/events", query).status_code == 200, query


def test_admin(plans):
    """Every list of the admin: with each of its filters, including queues, and with a search."""
    client = Client()
    with plans.watch("log in"):
        client.force_login(User.objects.create_superuser("operator of every list"))
        for model, page in admin.site._registry.items():
            path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            searches = ["?q=ORD-2026-4711", "?q=engraving:Ana"]
            queries = ["", *(searches if page.search_fields else [])]
            for query in queries:
                plans.about = path + query
                response = client.get(path + query)
                assert response.status_code == 200
                if not query:
                    changes = response.context["cl"]
                    for one in changes.filter_specs:
                        queries += [choice["query_string"] for choice in one.choices(changes)]
        plans.about = "overview"
        client.get("/admin/")


@pytest.mark.parametrize("timer", settings_.CELERY_BEAT_SCHEDULE)
def test_timers(plans, timer, settings, monkeypatch):
    app.loader.import_default_modules()
    settings.EVENTS_KEEP_DAYS = 30
    monkeypatch.setattr(retention, "MAX_STREAMS", 200)
    with plans.watch(timer, pending=timer == "events.tasks.sweep"):
        app.tasks[timer]()


def test_probes(plans, client):
    for path in ("/health/ready", "/metrics"):
        with plans.watch(path):
            assert client.get(path, headers=PROMETHEUS).status_code == 200
