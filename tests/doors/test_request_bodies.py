"""nginx, gunicorn and the application read a request body completely or refuse it."""

import http.client
import json
import socket
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connection

from config.api import tokens
from tests.doors import servers
from tests.returns.factories import ReturnFactory

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 1024 * 1024


@pytest.fixture(params=["gunicorn", "nginx"])
def web(request, tmp_path):
    """Start gunicorn, alone or behind nginx; return a function that sends raw bytes."""
    token = tokens.issue(
        organization_id="org_1", subject="user_1", scope="*", lifetime=timedelta(minutes=5)
    )
    with ExitStack() as stack:
        address = stack.enter_context(servers.gunicorn())
        if request.param == "nginx":
            address = stack.enter_context(servers.nginx(tmp_path, address))

        def send(path, body, *headers, method="POST", complete=True):
            lines = [
                f"{method} {path} HTTP/1.1",
                "Host: localhost",
                f"Authorization: Bearer {token}",
                "Content-Type: application/json",
                *headers,
            ]
            with socket.create_connection(address, timeout=20) as client:
                client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
                if not complete:
                    client.shutdown(socket.SHUT_WR)
                return read_response(client)

        yield send


def read_response(client):
    """Return status and body, and whether the server has closed the connection."""
    response = http.client.HTTPResponse(client)
    response.begin()
    body = response.read()
    if response.getheader("Content-Type", "").endswith("json"):  # otherwise it is gunicorn's page
        body = json.loads(body)
    return response.status, body, response.getheader("Connection") == "close" and ends(client)


def ends(client):
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def chunked(body, size=7):
    chunks = [body[n : n + size] for n in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


CHUNKED = ("Transfer-Encoding: chunked", "Idempotency-Key: once")


def refund_of(row):
    with connection.cursor() as cursor:
        cursor.execute("SELECT amount FROM payments_refund WHERE cause = %s", [row.id])
        return [amount for (amount,) in cursor.fetchall()]


def test_a_chunked_body_is_read(web, run_reactions):
    row = ReturnFactory(status="received")
    run_reactions()
    body = json.dumps({"amount": "1.00"}).encode()
    status, response, _ = web(f"/api/v1/returns/{row.id}/refund", chunked(body), *CHUNKED)
    assert status == 200, response
    run_reactions()
    assert [str(amount) for amount in refund_of(row)] == ["1.0000"]


def test_an_incomplete_chunked_body_does_nothing(web, run_reactions, subtests):
    row = ReturnFactory(status="received")
    run_reactions()
    path = f"/api/v1/returns/{row.id}/refund"
    for name, body in (
        ("not chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
        ("not JSON", chunked(b'{"amount": ')),
    ):
        with subtests.test(name):
            assert web(path, body, *CHUNKED)[0] == 400
    with subtests.test("cut off"), pytest.raises(http.client.RemoteDisconnected):
        web(path, b"5\r\n{}", *CHUNKED, complete=False)
    run_reactions()
    assert refund_of(row) == []


def test_a_body_that_is_too_large_or_not_expected_is_refused(web, subtests):
    large = json.dumps({"currency": "x" * LIMIT}).encode()
    for name, path, body, *headers in (
        # Refused because of its Content-Length, before the body is sent.
        ("length", "/carts", b"", f"Content-Length: {len(large)}"),
        ("chunks", "/carts", chunked(large, 64 * 1024), *CHUNKED),
        ("webhook", "/webhooks/stripe", chunked(large, 64 * 1024), *CHUNKED),
    ):
        with subtests.test(name):
            status, problem, closed = web(f"/api/v1{path}", body, *headers)
            assert (status, problem["code"]) == (413, "body_too_large")
            assert str(LIMIT) in problem["detail"]
            assert closed

    with subtests.test("a chunked webhook is read"):
        status, problem, closed = web("/api/v1/webhooks/stripe", chunked(b"{}"), *CHUNKED)
        assert (status, problem["code"], closed) == (400, "bad_signature", False)

    sent = b'{"quantity": 1}'
    for method, path in (("GET", "/carts"), ("DELETE", "/carts/c_1/items/i")):
        for body, *headers in ((sent, f"Content-Length: {len(sent)}"), (chunked(sent), *CHUNKED)):
            with subtests.test(f"{method} {headers[0]}"):
                status, problem, _ = web(f"/api/v1{path}", body, *headers, method=method)
                assert (status, problem["code"]) == (400, "invalid_request")
                assert f"A {method} request takes no body." in json.dumps(problem["errors"])


def test_a_repeated_key_is_refused(api):
    body = '{"session_id": "s_1", "currency": "USD", "currency": "EUR"}'
    response = api.post("/api/v1/carts", body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")
    assert "'currency' is repeated" in response.json()["detail"]


def test_a_server_that_cannot_read_chunks_requires_a_length(api):
    """Django's development server, which `make run` uses."""
    response = api.post("/api/v1/carts", "", headers={"Transfer-Encoding": "chunked"})
    assert (response.status_code, response.json()["code"]) == (411, "length_required")
