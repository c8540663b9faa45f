"""`manage.py run` in a process: its output, its errors, and how it stops."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError

import pytest
from django.conf import settings

from tests.devserver.conftest import refused, running

pytestmark = pytest.mark.xdist_group("devserver")

DEMO = {  # event: how often it is printed
    "cart.created": 2,
    "cart.item_added": 3,
    "cart.converted": 1,
    "order.created": 2,
    "order.placed": 2,
    "order.reserved": 2,  # an extension event
    "payment.pending": 4,
    "payment.failed": 1,
    "payment.succeeded": 3,
    "order.confirmed": 2,
    "invoice.created": 2,
    "invoice.sent": 1,
    "fulfillment.started": 1,
    "order.processing": 1,
    "fulfillment.item_picked": 2,
    "fulfillment.packed": 1,
    "shipment.created": 1,
    "shipment.label_created": 1,
    "shipment.dispatched": 1,
    "order.shipped": 1,
    "shipment.in_transit": 2,
    "shipment.delivered": 1,
    "order.delivered": 1,
    "return.requested": 1,
    "return.approved": 1,
    "return.received": 2,
    "payment.refunded": 2,
    "return.refunded": 1,
    "order.cancelled": 1,
    "cart.abandoned": 1,
}


def events(output: str) -> list[str]:
    return re.findall(r"^ +\d\d:\d\d:\d\d  ([a-z._]+)", output, re.MULTILINE)


def test_the_demo_prints_every_event_and_the_server_keeps_running(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.read_until("29 of 29 events seen\n")

        assert Counter(events(run.output)) == DEMO
        (number,) = re.findall(r"mail to ana@example\.com: Invoice (INV-\S+)", run.output)
        assert (tmp_path / "var" / "mail" / f"{number}.pdf").read_bytes().startswith(b"%PDF")
        assert f"{number}.pdf\n" in run.output
        assert re.search(r"CN-\d+-0001: 43\.50 USD, tax 6\.00\n", run.output)
        assert json.loads(run.get("/health/live")) == {"status": "ok"}
        assert run.get("/admin/login/")
        assert run.get("/static/admin/css/base.css")
        with pytest.raises(HTTPError):
            run.get("/favicon.ico")
        assert run.stop(signal.SIGINT) < 10

    assert run.process.returncode == 0
    assert "Traceback" not in run.output
    assert "\x1b" not in run.output
    assert not re.search("WARNING|ERROR", run.output)


def test_a_second_run_keeps_the_data_and_publishes_pending_events(directory: Path) -> None:
    with running(directory) as run:
        first = run.read_until("Ctrl-C")
        run.stop(signal.SIGTERM)
    assert run.process.returncode == 0
    with closing(sqlite3.connect(directory / "var" / "orders.sqlite3")) as database, database:
        (event, stream) = database.execute(
            "SELECT number, stream FROM events_eventrecord WHERE name = 'order.cancelled'"
        ).fetchone()
        database.execute("DELETE FROM events_publication WHERE event_id = ?", [event])
        database.execute(
            "INSERT INTO events_outbox (event_id, stream, shard, attempts, last_error)"
            " VALUES (?, ?, 0, 0, '')",
            [event, stream],
        )

    with running(directory, "--no-demo") as run:
        run.read_until("order.cancelled")
        orders = json.loads(run.get("/api/v1/orders"))["results"]
        gifts = json.loads(run.get("/api/v1/orders?metadata=gift_text:For%20Luis"))["results"]
        others = json.loads(run.get("/api/v1/orders?metadata=gift_text:For"))["results"]
        run.stop(signal.SIGINT)

    assert [order["status"] for order in orders] == ["cancelled", "delivered"]
    assert ([gift["id"] for gift in gifts], others) == ([orders[1]["id"]], [])
    assert events(run.output) == ["order.cancelled"]
    password = re.compile("password .*")
    assert password.findall(run.output) == password.findall(first)


def test_it_can_be_stopped_during_the_demo(directory: Path) -> None:
    with running(directory) as run:
        run.read_until("cart.item_added")
        assert run.stop(signal.SIGINT) < 10

    assert run.process.returncode == 0
    assert "Traceback" not in run.output


def test_a_failed_demo_prints_the_cause_and_the_server_keeps_running(directory: Path) -> None:
    with running(directory, ALLOWED_HOSTS="orders.example.com") as run:
        run.read_until("Ctrl-C")
        run.stop(signal.SIGINT)

    assert "The demo stopped. POST /carts returned 400" in run.output
    assert run.process.returncode == 0


def test_a_second_run_on_the_same_data_is_refused(directory: Path) -> None:
    with running(directory, "--no-demo") as run:
        run.read_until("Ctrl-C")

        assert "Another run uses the data" in refused(directory, "--port", "0")


def test_a_busy_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        line = refused(tmp_path, "--port", str(port))

    assert f"Cannot listen on port {port}: Address already in use." in line


def test_an_invalid_port_is_refused(tmp_path: Path) -> None:
    assert "Cannot listen on port 70000" in refused(tmp_path, "--port", "70000")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            {
                "EVENTS_BROKER_URL": "amqp://x//",
                "CELERY_BROKER_URL": "amqp://x//",
                "ALLOWED_HOSTS": "orders.example.com",
                "PUBLIC_URL": "https://orders.example.com",
            },
            "needs DEBUG=true",
        ),
        ({}, "set DEBUG=true to develop"),
        ({"SECRET_KEY": settings.DEVELOPMENT_KEY}, "set DEBUG=true to develop"),
    ],
)
def test_it_is_refused_without_debug(tmp_path: Path, missing: dict[str, str], message: str) -> None:
    changes = {"DEBUG": "false", **missing}

    assert message in refused(tmp_path, **changes)


def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")

    assert f"Cannot write to {tmp_path}/var" in refused(tmp_path)


def test_a_database_server_is_refused(tmp_path: Path) -> None:
    line = refused(tmp_path, DATABASE_URL="postgres://user@127.0.0.1:1/database")

    assert "`manage.py run` needs SQLite" in line


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # the answer to "is this 3.11 or newer?"
    old.chmod(0o755)
    shutil.copy(settings.BASE_DIR / "Makefile", tmp_path)

    run = subprocess.run(
        ["make", "run", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True
    )

    assert run.returncode != 0
    assert run.stderr.splitlines()[0].startswith("Python 3.11 or newer is needed")
