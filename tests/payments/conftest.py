import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from payments.gateways import Asked, AskedBack
from payments.gateways.stripe import gateway
from tests.broker.conftest import wait_until
from tests.payments.stripe_peer import StripePeer

LOCALSTRIPE = Path(sys.prefix) / "localstripe/bin/localstripe"

ASKED = Asked(
    payment_id="pay_1",
    order_id="order_1",
    attempt_id="attempt_1",
    amount=Decimal("125.50"),
    currency="USD",
    account="acct_1",
    token="pm_card_visa",
    gateway_payment_id=None,
    asked_at=None,
    asked_last_at=None,
)


def asked(**changes: Any) -> Asked:
    """Return what a gateway is asked: 125.50 USD, by a card that pays, unless told otherwise."""
    return replace(ASKED, asked_last_at=changes.get("asked_at"), **changes)


def asked_back(gateway_payment_id: str | None, amount: str = "25.50", **changes: Any) -> AskedBack:
    """Return what a gateway is asked for back, of the payment that `asked` asks for."""
    of_payment = AskedBack(
        refund_id="ref_1",
        payment_id="pay_1",
        gateway_payment_id=str(gateway_payment_id),
        amount=Decimal(amount),
        currency="USD",
        account="acct_1",
        asked_at=None,
    )
    return replace(of_payment, **changes)


@pytest.fixture
def stripe_peer(settings: Any) -> Iterator[StripePeer]:
    """A Stripe that does all that its documentation promises, and what the network does to it."""
    peer = StripePeer()
    settings.STRIPE_API_KEY = "sk_test_of_the_tests"
    settings.STRIPE_API_BASE = peer.url
    settings.STRIPE_WEBHOOK_SECRET = peer.secret
    peer.start()
    yield peer
    peer.stop()
    gateway._client_for.cache_clear()


@pytest.fixture(scope="session")
def localstripe_url() -> Iterator[str]:
    """A localstripe in a process of its own, behind a proxy that drops what it does not know."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [LOCALSTRIPE, "--from-scratch", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def listens() -> bool:
        assert process.poll() is None, "localstripe has ended"
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens, "localstripe does not start")
    proxy = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Proxy", (_Proxy,), {"target": ("127.0.0.1", port)})
    )
    threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{proxy.server_port}"
    proxy.shutdown()
    proxy.server_close()
    process.terminate()
    process.wait()


@pytest.fixture
def localstripe(localstripe_url: str, settings: Any) -> Iterator[str]:
    """Return the address of the localstripe that the adapter speaks to."""
    settings.STRIPE_API_KEY = "sk_test_of_the_tests"
    settings.STRIPE_API_BASE = localstripe_url
    settings.STRIPE_WEBHOOK_SECRET = "whsec_of_the_tests"
    yield localstripe_url
    gateway._client_for.cache_clear()


class _Proxy(BaseHTTPRequestHandler):
    """localstripe refuses `automatic_payment_methods`, which Stripe has had since 2022."""

    target: tuple[str, int]

    def do_GET(self) -> None:
        self._forward(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] == "application/x-www-form-urlencoded":
            form = parse_qsl(body.decode())
            kept = [(k, v) for k, v in form if not k.startswith("automatic_payment_methods")]
            body = urlencode(kept).encode()
        self._forward(body)

    def _forward(self, body: bytes) -> None:
        kept = {k: v for k, v in self.headers.items() if k not in ("Content-Length", "Connection")}
        there = http.client.HTTPConnection(*self.target)
        there.request(self.command, self.path, body, kept)
        answer = there.getresponse()
        self.send_response(answer.status)
        self.send_header("Content-Type", str(answer.getheader("Content-Type")))
        self.end_headers()
        self.wfile.write(answer.read())
        there.close()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
