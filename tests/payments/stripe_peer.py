"""An imitation of what localstripe lacks: idempotency, lost responses, rejected refunds."""

import copy
import hashlib
import hmac
import json
import re
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.payments.stripe_objects import Refusal, Request, StripeObjects


def sign(event: dict[str, Any], secret: str, at: float | None = None) -> tuple[bytes, str]:
    """Return the body of a webhook and its Stripe-Signature."""
    body, moment = json.dumps(event).encode(), int(time.time() if at is None else at)
    mac = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256)
    return body, f"t={moment},v1={mac.hexdigest()}"


class StripePeer(StripeObjects):
    """Serves its objects over HTTP, to this process and to others.

    `faults` apply to the next requests: with a status, the request is not processed and gets that
    status; with "lost" or "late", it is processed and gets no response; None is no fault.
    """

    def __init__(self, port: int = 0, secret: str = "whsec_of_the_tests") -> None:
        super().__init__()
        self.secret = secret
        self.requests: list[Request] = []
        self.faults: deque[int | str | None] = deque()
        self.is_late = threading.Event()  # a client waits for a response
        self._answers: dict[tuple[str | None, str], tuple[Any, int, Any]] = {}
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"peer": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget_keys(self) -> None:
        """Forget the idempotency keys, as Stripe does after a day."""
        self._answers.clear()

    def signed(self, event: dict[str, Any], at: float | None = None) -> tuple[bytes, str]:
        """Return the webhook's body and its Stripe-Signature."""
        return sign(event, self.secret, at)

    def answer(self, request: Request) -> tuple[int, Any]:
        with self._lock:
            self.requests.append(request)
            place, known = (request.account, request.key or ""), (request.path, request.params)
            if request.key and place in self._answers:
                before, status, body = self._answers[place]
                if before == known:
                    return status, body
                return 400, {
                    "error": {
                        "type": "idempotency_error",
                        "message": "Keys for idempotent requests can only be used with the same "
                        "endpoint and parameters they were first used with.",
                    }
                }
            try:
                status, body = 200, self.expanded(self.do(request), request.params)
            except Refusal as refusal:
                status, body = refusal.status, {"error": refusal.error}
            if request.method == "POST":
                self._answers[place] = known, status, copy.deepcopy(body)
            return status, body


class _Handler(BaseHTTPRequestHandler):
    peer: StripePeer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, form: str) -> None:
        request = Request(
            self.command,
            urlsplit(self.path).path,
            _nested(form),
            self.headers.get("Idempotency-Key"),
            self.headers.get("Stripe-Account"),
        )
        fault = self.peer.faults.popleft() if self.peer.faults else None
        if isinstance(fault, int):
            status, body = fault, {"error": Refusal(fault, f"Not with {form}.").error}
        else:
            status, body = self.peer.answer(request)
        if fault == "late":
            self.peer.is_late.set()
            self.connection.recv(1)  # until the client has closed the connection
        if fault in ("late", "lost"):
            self.close_connection = True
            return
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Request-Id", "req_1")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        """Log nothing."""


def _nested(form: str) -> dict[str, Any]:
    """Return `a[b]=1` as {"a": {"b": "1"}}."""
    nested: dict[str, Any] = {}
    for name, value in parse_qsl(form):
        first, *keys = re.findall(r"[^\[\]]+", name)
        place = nested
        for key in keys:
            place, first = place.setdefault(first, {}), key
        place[first] = value
    return nested
