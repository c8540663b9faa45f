"""nginx, gunicorn and the application read a request body completely or refuse it."""

import http.client
import json
import socket
from contextlib import ExitStack, suppress
from datetime import timedelta

import pytest
from django.db import connection

from config.api import tokens
from fulfillment.models import Fulfillment
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
            is_typed = any(header.startswith("Content-Type:") for header in headers)
            lines = [
                f"{method} {path} HTTP/1.1",
                "Host: localhost",
                f"Authorization: Bearer {token}",
                *([] if is_typed else ["Content-Type: application/json"]),
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


def test_an_incomplete_body_does_nothing(web, run_reactions, subtests):
    row = ReturnFactory(status="received")
    run_reactions()
    path = f"/api/v1/returns/{row.id}/refund"
    for name, body in (
        ("not chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
        ("not JSON", chunked(b'{"amount": ')),
    ):
        with subtests.test(name):
            assert web(path, body, *CHUNKED)[0] == 400
    # nginx closes the connection without a response.
    with subtests.test("too short"), suppress(http.client.RemoteDisconnected):
        sent = json.dumps({"amount": "1.00"}).encode()
        headers = f"Content-Length: {len(sent) + 1}", "Idempotency-Key: once"
        status, problem, closed = web(path, sent, *headers, complete=False)
        assert (status, problem["code"], closed) == (400, "bad_request", True)
        assert "incomplete" in problem["detail"]
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


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-16", "latin-1"])
@pytest.mark.parametrize("path", ["/api/v1/carts", "/api/v1/webhooks/stripe", "/admin/login/"])
def test_text_in_another_charset_is_not_decoded(api, path, charset):
    """Punycode takes time with the square of the length: minutes of a process for one request."""
    for kind in ("application/json", "multipart/form-data; boundary=x"):
        response = api.post(path, "{}", content_type=f"{kind}; charset={charset}")
        assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    response = api.post(path, "{}", content_type="application/json; charset=UTF-8")
    assert response.status_code != 415


def test_a_parameter_of_the_content_type_in_an_unknown_charset_gets_a_response(web):
    kind = "Content-Type: application/json; a*=nope''x"
    status, problem, _ = web("/api/v1/carts", b"{}", kind, "Content-Length: 2")
    assert (status, problem["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("charset", ["zip", "rot13", "undefined", "utf-8; charset=hex"])
def test_a_query_is_never_decoded_by_a_codec_that_is_no_charset(web, charset):
    """Django decodes it before there is a request, so that an error would have no response."""
    kind = f"Content-Type: application/json; charset={charset}"
    status, page, _ = web("/api/v1/carts?session=%C3%A9", b"", kind, method="GET")
    assert (status, page["results"]) == (200, [])
    status, problem, _ = web("/api/v1/carts", b"{}", kind, "Content-Length: 2")
    assert (status, problem["code"]) == (415, "unsupported_media_type")


def test_nginx_refuses_methods_and_encodings_with_a_problem(tmp_path):
    with servers.nginx(tmp_path, ("127.0.0.1", 9)) as address:
        for line, more, code in (
            ("TRACE /api/v1/carts", "", (405, "method_not_allowed")),
            ("POST /api/v1/carts", "Transfer-Encoding: gzip\r\n", (501, "bad_request")),
        ):
            with socket.create_connection(address, timeout=20) as client:
                client.sendall(f"{line} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
                status, problem, _ = read_response(client)
                assert (status, problem["code"]) == code


@pytest.mark.parametrize(
    ("path", "name", "most"),
    [
        ("orders", "items", 500),
        ("orders/{order}/reservation", "allocations", 1_000),
        ("orders/{order}/write-off", "items", 500),
        ("returns", "items", 500),
        ("returns/{row}/receive", "items", 500),
        ("fulfillments/{fulfillment}/pack", "packages", 100),
        ("shipments", "items", 500),
    ],
)
def test_a_list_that_is_too_long_is_refused_before_its_items_are_read(api, path, name, most):
    """A body has room for 300,000 empty items, whose errors take minutes and gigabytes."""
    row = ReturnFactory(status="approved")
    fulfillment = Fulfillment.objects.get(order=row.order_id)
    ids = {"order": row.order_id, "row": row.id, "fulfillment": fulfillment.id}
    path = f"/api/v1/{path.format(**ids)}"
    response = api.post(path, {name: [{}] * (most + 1)}, headers={"Idempotency-Key": "key-1"})
    errors = response.json()["errors"]
    assert response.status_code == 400
    assert errors[name] == [f"Ensure this field has no more than {most} elements."]
    assert not any(path.startswith(f"{name}[") for path in errors)


def test_an_error_names_some_of_many_unknown_fields(api):
    body = {f"field_{n}": n for n in range(10_000)} | {"currency": 1}
    errors = api.post("/api/v1/carts", body).json()["errors"]
    assert errors.pop("currency") == ["Not a valid string."]
    assert list(errors.values()) == [["Unknown field."]] * 20


def test_a_long_address_is_redirected_to_the_login(web):
    """The redirect repeats it, in a header for which nginx has one buffer."""
    status, _, _ = web(f"/admin/orders/order/?q={'a' * 3_900}", b"", method="GET")
    assert status == 302
