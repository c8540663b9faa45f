"""The processor time of an order's whole life: of the service, the database and the broker."""

import json
import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from django.db import connection
from django.utils.module_loading import import_string

from events.models import Publication
from invoices import tasks as invoices
from tests.benchmarks.measure import PAIRS, Line, spread, table
from tests.broker import test_whole_life as script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media", "broker")]
LIVES = 5  # in a run
keys = count()


class Shop(script.Shop):
    """The script's client, without a network: enqueued tasks run immediately."""

    def __init__(self, api: Any, enqueued: list[Any]) -> None:
        self.api, self.enqueued = api, enqueued
        super().__init__(self.request, None)
        self.numbers = keys

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = json.dumps(body) if body else ""
        response = self.api.generic(
            method, f"/api/v1{path}", sent, content_type="application/json", headers=headers
        )
        assert response.status_code < 400, response.content
        self.work()
        return response.json()

    def work(self) -> None:
        while self.enqueued:
            enqueued = list(dict.fromkeys(self.enqueued))
            self.enqueued.clear()
            for name, args in enqueued:
                import_string(name)(*args)

    def expect(self, stream: str, *names: str) -> None:
        if "invoice.sent" in names:
            invoices.deliver_documents()  # beat does it every two seconds
        self.work()


def live(api: Any, enqueued: list[Any]) -> None:
    shop = Shop(api, enqueued)
    order = script.check_out(shop)
    script.pay(shop, order)
    script.send_it(shop, order)
    script.bring_it(shop, order)
    script.send_some_back(shop, order)
    script.cancel_another(shop)
    script.leave_a_cart(shop)


def seconds_of(pids: list[int]) -> float:
    """Return the processor time of processes of this machine."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def brokers() -> list[int]:
    """Return the process ids of the RabbitMQ nodes of this machine."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if comm.read_text().strip() == "beam.smp":
                found.append(int(comm.parent.name))
    return found


def test_whole_life(api, enqueued):
    """Run requests, reactions, PDFs and messages in one process."""
    live(api, enqueued)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        database = [cursor.fetchone()[0]]
    before = Publication.objects.count()
    clocks = {
        "the service": time.process_time,
        "its session of PostgreSQL": lambda: seconds_of(database),
        "RabbitMQ": lambda: seconds_of(brokers()),
    }
    spent: dict[str, list[float]] = {name: [] for name in clocks}
    for _ in range(PAIRS):
        started = {name: clock() for name, clock in clocks.items()}
        for _ in range(LIVES):
            live(api, enqueued)
        for name, clock in clocks.items():
            spent[name].append((clock() - started[name]) / LIVES)
    messages = (Publication.objects.count() - before) // (PAIRS * LIVES)
    for name, seconds in spent.items():
        what = f"a life of all 29 events, {messages} messages: seconds of processor of {name}"
        table.append(Line(what, spread(seconds)))
    assert median(spent["the service"]) > 0
