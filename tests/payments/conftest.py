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

from payments.gateways import PaymentRequest, RefundRequest
from payments.gateways.stripe import gateway
from tests.broker.conftest import wait_until
from tests.payments.stripe_peer import StripePeer

LOCALSTRIPE = Path(sys.prefix) / "localstripe/bin/localstripe"

REQUEST = PaymentRequest(
    payment_id="pay_1",
    order_id="order_1",
    attempt_id="attempt_1",
    amount=Decimal("125.50"),
    currency="USD",
    account="acct_1",
    token="pm_card_visa",
    gateway_payment_id=None,
    first_called_at=None,
    last_called_at=None,
)


def payment_request(**changes: Any) -> PaymentRequest:
    """Return a request for 125.50 USD with a card that succeeds, with `changes`."""
    return replace(REQUEST, last_called_at=changes.get("first_called_at"), **changes)


def refund_request(
    gateway_payment_id: str | None, amount: str = "25.50", **changes: Any
) -> RefundRequest:
    """Return a refund request of 25.50 USD, for the payment of `payment_request`."""
    request = RefundRequest(
        refund_id="ref_1",
        payment_id="pay_1",
        gateway_payment_id=str(gateway_payment_id),
        amount=Decimal(amount),
        currency="USD",
        account="acct_1",
        first_called_at=None,
    )
    return replace(request, **changes)


@pytest.fixture
def stripe_peer(settings: Any) -> Iterator[StripePeer]:
    """A server that behaves as Stripe's documentation says, behind a network with faults."""
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
    """A localstripe in its own process, behind a proxy that drops parameters it does not know."""
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
    """Configure the gateway for localstripe, and return its address."""
    settings.STRIPE_API_KEY = "sk_test_of_the_tests"
    settings.STRIPE_API_BASE = localstripe_url
    settings.STRIPE_WEBHOOK_SECRET = "whsec_of_the_tests"
    yield localstripe_url
    gateway._client_for.cache_clear()


class _Proxy(BaseHTTPRequestHandler):
    """Drops `automatic_payment_methods`, which localstripe rejects; Stripe has it since 2022."""

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
        response = there.getresponse()
        self.send_response(response.status)
        self.send_header("Content-Type", str(response.getheader("Content-Type")))
        self.end_headers()
        self.wfile.write(response.read())
        there.close()

    def log_message(self, *args: Any) -> None:
        """Log nothing."""
