"""nginx, with the project's configuration, keeps slow clients and forged headers from gunicorn."""

import http.client
import json
import select
import socket
import ssl
import subprocess
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from config.api import tokens
from tests.conftest import free_port
from tests.doors.servers import gunicorn, nginx

SLOW = 50  # clients of each kind; gunicorn has eight threads
THROTTLE = 60
HONEST, ATTACKER = "127.0.0.1", "127.0.0.2"
HEADERS = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
TOKEN = tokens.issue(
    organization_id="org_1", subject="user_1", scope="*", lifetime=timedelta(minutes=5)
)
BODY = (
    b"POST /api/v1/carts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{" % TOKEN.encode()
)
READ = b"GET /api/schema HTTP/1.1\r\nHost: localhost\r\n\r\n"  # 400 kB


@pytest.fixture(scope="module")
def web(django_db_setup, django_db_blocker, tmp_path_factory):
    """Yield the address of nginx, in front of a gunicorn that limits each address."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setenv("API_THROTTLE", f"{THROTTLE}/day")
        with gunicorn() as behind, nginx(tmp_path_factory.mktemp("nginx"), behind) as address:
            yield address


def get(address, path="/health/live", source=HONEST, **headers):
    """Return status and body."""
    client = http.client.HTTPConnection(*address, timeout=5, source_address=(source, 0))
    client.request("GET", path, headers={"Host": "localhost", **headers})
    response = client.getresponse()
    return response.status, json.loads(response.read())


@contextmanager
def slow_clients(address, sent, number, source=ATTACKER):
    """Keep connections open on which no more is sent or read."""
    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            client = socket.socket()
            client.settimeout(5)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.bind((source, 0))
            client.connect(address)
            clients.append(stack.enter_context(client))
            client.sendall(sent)
        yield clients


@pytest.mark.parametrize("sent", [HEADERS, BODY, READ], ids=["headers", "bodies", "readers"])
def test_slow_clients_cost_other_callers_nothing(web, sent):
    with slow_clients(web, sent, SLOW):
        for _ in range(20):
            assert get(web) == (200, {"status": "ok"})


def test_one_address_has_a_limit_of_open_requests(web):
    with slow_clients(web, BODY, 101) as clients:
        answered, _, _ = select.select(clients, [], [], 5)
        response = http.client.HTTPResponse(answered[0])
        response.begin()
        problem = json.loads(response.read())
        assert (response.status, problem["code"]) == (429, "throttled")
        assert response.headers["Retry-After"] == "1"
        assert get(web)[0] == 200, "another address is not concerned"


def test_a_caller_cannot_forge_its_address(web):
    for attempt in range(THROTTLE + 1):
        forged = f"10.0.0.{attempt}"
        headers = {"X-Forwarded-For": forged, "X-Real-IP": forged, "Forwarded": f"for={forged}"}
        status, problem = get(web, "/api/v1/orders", "127.0.0.3", **headers)
    assert (status, problem["code"]) == (429, "throttled")
    assert get(web, "/api/v1/orders", "127.0.0.4")[0] == 401


def test_what_has_no_authentication_is_not_served(web):
    for path in ("/metrics", "/%6detrics", "//metrics", "/health/ready", "/health/live/../ready"):
        status, problem = get(web, path)
        assert (status, problem["code"]) == (404, "not_found"), path


def test_nginx_answers_with_a_problem_if_gunicorn_does_not(tmp_path):
    with nginx(tmp_path, ("127.0.0.1", free_port())) as address:
        client = http.client.HTTPConnection(*address, timeout=5)
        client.request("GET", "/api/v1/orders", headers={"X-Request-ID": "caller-1"})
        response = client.getresponse()
        problem = json.loads(response.read())
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"] == "5"
    assert response.headers["X-Request-ID"] == problem["request_id"] == "caller-1"
    assert (response.status, problem["code"]) == (502, "service_unavailable")


def test_with_a_certificate_nginx_serves_tls(web, tmp_path):
    (tmp_path / "tls").mkdir()
    certificate, key = tmp_path / "tls" / "fullchain.pem", tmp_path / "tls" / "privkey.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {key}"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=DNS:localhost", "-out", certificate],
        check=True,
        capture_output=True,
    )
    trust = ssl.create_default_context(cafile=certificate)
    with nginx(tmp_path, web, listen="https.conf", port=8443) as (_, port):
        client = http.client.HTTPSConnection("localhost", port, context=trust, timeout=5)
        client.request("GET", "/health/live")
        assert json.loads(client.getresponse().read()) == {"status": "ok"}
        client.close()
