"""What the log contains about a request, and what it never contains."""

import json
import logging
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection

from config import logs
from config.core import request_context
from tests.factories import OrderFactory

SECRETS = [
    ("Authorization: Bearer eyJhbGciOi.J9.xyz", "xyz"),
    ("refused eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln", "c2ln"),
    ("amqp://guest:hunter2@rabbit:5672//", "hunter2"),
    ("postgres://orders:hun@ter2@db/orders", "ter2"),
    ("could not mail juan@пример.рф", "juan"),
    ("could not mail josé@bücher.example: refused", "josé"),
    ("could not mail juan@xn--e1afmkfd.xn--p1ai", "p1ai"),
    ("could not mail ana.torres+1@example.com: refused", "ana.torres"),
    ("Key fails\nDETAIL:  Failing row contains (Ana Torres, Calle 12)\nCONTEXT: x", "Ana"),
    ("Key fails\nDETAIL:  Failing row contains (note:\n\nAna Torres, Calle 12)", "Ana"),
    (repr(ValueError("Key fails\nDETAIL:  Failing row contains (Ana Torres)")), "Ana"),
]


@contextmanager
def production_log():
    """Yield the lines that production would write, as JSON."""
    lines = []
    config = logs.configuration(level="INFO", as_json=True)
    formatter = dict(config["formatters"]["line"])
    handler = logging.Handler()
    handler.setFormatter(formatter.pop("()")(**formatter))
    handler.emit = lambda record: lines.append(json.loads(handler.format(record)))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_id_and_organization(api):
    order = OrderFactory()
    with production_log() as lines:
        response = api.get(f"/api/v1/orders/{order.id}?customer=ana@example.com")
    (line,) = [line for line in lines if line["logger"] == "access"]
    assert line.pop("time").startswith("20")
    assert line.pop("duration_ms") >= 0
    assert line == {
        "message": f"GET /api/v1/orders/{order.id} {response.status_code}",
        "status": response.status_code,
        "level": "info",
        "logger": "access",
        "request_id": response.headers["X-Request-ID"],
        "organization_id": "org_1",
    }


@pytest.mark.django_db
def test_the_next_request_of_the_thread_does_not_inherit_the_organization(api, client):
    with production_log() as lines:
        api.get("/api/v1/orders")
        client.get("/api/v1/orders")
    assert [line.get("organization_id") for line in lines] == ["org_1", None]


def test_probes_are_not_logged(client, db):
    with production_log() as lines:
        client.get("/health/live")
        client.get("/health/ready")
    assert lines == []


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_secrets_are_redacted(text, secret):
    with production_log() as lines:
        logging.getLogger("events").warning("Failed: %s", text)
        try:
            raise ValueError(text)
        except ValueError:
            logging.getLogger("events").exception("It failed")
    assert len(lines) == 2
    assert "ValueError" in lines[1]["exception"]
    assert secret not in json.dumps(lines)


@pytest.mark.parametrize(
    "part", ["a", "a@", "@a.", "eyJ-", "a://", "Bearer ", "DETAIL: ", "a.b@c.", ":", ":a", ":a:a"]
)
def test_redaction_takes_linear_time(part):
    """With quadratic patterns, these texts would take minutes."""
    with production_log() as lines:
        logging.getLogger("events").info(part * 200_000)
    assert lines


@pytest.mark.django_db
def test_a_row_that_the_database_rejects_is_redacted():
    order = OrderFactory(customer_email="ana@example.com")
    with production_log() as lines:
        try:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE orders_order SET total = -1 WHERE id = %s", [order.id])
        except IntegrityError:
            logging.getLogger("events").exception("It failed")
    text = json.dumps(lines)
    assert "order_adds_up" in text
    assert "Juan" not in text
    assert "ana@example.com" not in text


@pytest.mark.django_db
@pytest.mark.urls("tests.api.urls")
def test_an_error_is_logged_with_the_request_id_of_the_response(api):
    with production_log() as lines:
        response = api.get("/api/v1/things/broken")
    (failure,) = [line for line in lines if line["level"] == "error"]
    assert failure["request_id"] == response.json()["request_id"]
    assert "RuntimeError: a secret" in failure["exception"]


def test_only_the_listed_extra_fields_are_logged():
    with production_log() as lines, request_context.use(request_id="req_1"):
        logging.getLogger("x").info("hello", extra={"event_id": "evt_1", "address": "Calle 12"})
    assert lines[0]["event_id"] == "evt_1"
    assert lines[0]["request_id"] == "req_1"
    assert "Calle" not in json.dumps(lines)
