"""`manage.py run` as a newcomer meets it: a process, its terminal, and Ctrl-C."""

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

pytestmark = pytest.mark.xdist_group("embedded")

DEMO = {  # how often each is seen
    "cart.created": 2,
    "cart.item_added": 3,
    "cart.converted": 1,
    "order.created": 2,
    "order.placed": 2,
    "payment.pending": 3,
    "payment.failed": 1,
    "payment.succeeded": 2,
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


def test_the_demo_shows_the_events_of_each_request_and_goes_on_serving(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.read_until("29 of 29 events seen\n")

        assert Counter(events(run.output)) == DEMO
        (number,) = re.findall(r"mail to ana@example\.com: Invoice (INV-\S+)", run.output)
        assert (tmp_path / "var" / "mail" / f"{number}.pdf").read_bytes().startswith(b"%PDF")
        assert f"{number}.pdf\n" in run.output
        assert re.search(r"CN-\d+-0001: 43\.50 USD, tax 5\.50\n", run.output)
        assert json.loads(run.get("/health/live")) == {"status": "ok"}
        assert run.get("/admin/login/")
        assert run.get("/static/admin/css/base.css")
        with pytest.raises(HTTPError):
            run.get("/favicon.ico")
        assert run.end(signal.SIGINT) < 3

    assert run.process.returncode == 0
    assert "Traceback" not in run.output
    assert "\x1b" not in run.output
    assert not re.search("WARNING|ERROR", run.output)


def test_it_goes_on_where_it_left_off_and_publishes_what_it_owes(directory: Path) -> None:
    with running(directory) as run:
        first = run.read_until("Ctrl-C")
        run.end(signal.SIGTERM)
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
        run.end(signal.SIGINT)

    assert [order["status"] for order in orders] == ["cancelled", "delivered"]
    assert events(run.output) == ["order.cancelled"]
    password = re.compile("password .*")
    assert password.findall(run.output) == password.findall(first)


def test_it_can_be_ended_in_the_middle_of_the_demo(directory: Path) -> None:
    with running(directory) as run:
        run.read_until("cart.item_added")
        assert run.end(signal.SIGINT) < 3

    assert run.process.returncode == 0
    assert "Traceback" not in run.output


def test_a_demo_that_is_refused_says_so_and_the_service_stays(directory: Path) -> None:
    with running(directory, ALLOWED_HOSTS="orders.example.com") as run:
        run.read_until("Ctrl-C")
        run.end(signal.SIGINT)

    assert "The demo stops here. POST /carts answered 400" in run.output
    assert run.process.returncode == 0


def test_two_runs_do_not_share_their_data(directory: Path) -> None:
    with running(directory, "--no-demo") as run:
        run.read_until("Ctrl-C")

        assert "It runs already" in refused(directory, "--port", "0")


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        line = refused(tmp_path, "--port", str(port))

    assert f"Port {port} cannot be used: Address already in use." in line


def test_a_port_that_does_not_exist_is_one_clear_line(tmp_path: Path) -> None:
    assert "Port 70000 cannot be used" in refused(tmp_path, "--port", "70000")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            {
                "EVENTS_BROKER_URL": "amqp://x//",
                "CELERY_BROKER_URL": "amqp://x//",
                "PUBLIC_URL": "https://orders.example.com",
            },
            "needs DEBUG=true",
        ),
        ({}, "set DEBUG=true to develop"),
        ({"SECRET_KEY": settings.DEVELOPMENT_KEY}, "set DEBUG=true to develop"),
    ],
)
def test_without_debug_it_is_one_clear_line(
    tmp_path: Path, missing: dict[str, str], message: str
) -> None:
    changes = {"DEBUG": "false", **missing}

    assert message in refused(tmp_path, **changes)


def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")

    assert f"{tmp_path}/var cannot be written to" in refused(tmp_path)


def test_a_database_server_is_one_clear_line(tmp_path: Path) -> None:
    line = refused(tmp_path, DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")

    assert "`manage.py run` needs SQLite" in line


def test_an_old_python_is_one_clear_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # the answer to "are you 3.11 or newer?"
    old.chmod(0o755)
    shutil.copy(settings.BASE_DIR / "Makefile", tmp_path)

    run = subprocess.run(
        ["make", "run", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True
    )

    assert run.returncode != 0
    assert run.stderr.splitlines()[0].startswith("Python 3.11 or newer is needed")
