"""A local HTTP server that speaks EasyPost's protocol, for its real SDK."""

import hashlib
import hmac
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

RATES = [
    ("FedExDefault", "FEDEX_GROUND", "12.40"),
    ("FedExDefault", "FEDEX_2_DAY", "31.00"),
    ("UPS", "Ground", "11.90"),
    ("USPS", "GroundAdvantage", "6.07"),
]


@dataclass
class Refusal(Exception):
    """An error response."""

    status: int
    code: str
    message: str
    errors: tuple[Any, ...] = ()


class EasyPostPeer:
    """Keeps the shipments and all requests in memory.

    `faults` apply to the next requests. With a status, alone or with a body, the server responds
    with it and does nothing. With "lost" or "late" it does everything and sends no response.
    `before_post` is called once, just before the next POST request is processed.
    """

    key = "EZTK_of_the_tests"
    secret = "of the tests, naïve"

    def __init__(self) -> None:
        self.shipments: dict[str, Json] = {}
        self.requests: list[tuple[str, Json, str | None]] = []
        self.purchases = 0
        self.funds = True
        self.refused: set[str] = set()  # the shipments whose labels the carrier does not sell
        self.refund_status = "submitted"
        self.rates = [(*rate, "USD") for rate in RATES]
        self.messages: list[Json] = []
        self.faults: deque[int | str | tuple[int, str]] = deque()
        self.before_post: Callable[[], Any] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"peer": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def operations(self) -> list[str]:
        """Return a short name of each request: its last path segment without the id."""
        return [path.split("/")[-1].split("_")[0] for path, _, _ in self.requests]

    def respond(self, path: str, body: Json | None, authorization: str | None) -> Json:
        with self._lock:
            if authorization != f"Bearer {self.key}":
                raise Refusal(401, "APIKEY.INACTIVE", "This api key is no longer active.")
            _, _, *place = path.split("/")[1:]
            if not place:
                return self._create((body or {})["shipment"])
            if place[0] not in self.shipments:
                raise Refusal(404, "NOT_FOUND", "The requested resource could not be found.")
            if body is None:
                return self.shipments[place[0]]
            return {"buy": self.buy, "refund": self.refund}[place[1]](place[0], body)

    def _create(self, fields: Json) -> Json:
        if not fields["to_address"].get("zip"):
            raise Refusal(
                422,
                "ADDRESS.VERIFY.FAILURE",
                "Unable to verify address.",
                ({"field": "zip", "message": "Missing postal code"}, "Missing postal code"),
            )
        shipment_id = f"shp_{len(self.shipments) + 1}"
        self.shipments[shipment_id] = fields | {
            "id": shipment_id,
            "object": "Shipment",
            "messages": self.messages,
            "postage_label": None,
            "refund_status": None,
            "selected_rate": None,
            "tracker": None,
            "tracking_code": None,
            "rates": [
                {
                    "id": f"rate_{number}",
                    "carrier": carrier,
                    "service": service,
                    "rate": amount,
                    "currency": currency,
                    "delivery_date": None,
                }
                for number, (carrier, service, amount, currency) in enumerate(self.rates)
            ],
        }
        return self.shipments[shipment_id]

    def buy(self, shipment_id: str, body: Json | None = None) -> Json:
        shipment = self.shipments[shipment_id]
        rate_id = body["rate"]["id"] if body else "rate_0"
        if shipment["postage_label"]:
            raise Refusal(422, "SHIPMENT.POSTAGE.EXISTS", "Postage already exists.")
        if not self.funds:
            raise Refusal(402, "INSUFFICIENT_FUNDS", "Insufficient funds, please add money.")
        if shipment_id in self.refused:
            raise Refusal(422, "SHIPMENT.POSTAGE.FAILURE", "The parcel is too heavy.")
        self.purchases += 1
        number = f"9400{self.purchases:018}"
        rate = next(rate for rate in shipment["rates"] if rate["id"] == rate_id)
        shipment |= {
            "selected_rate": rate,
            "tracking_code": number,
            "postage_label": {
                "id": "pl_1",
                "label_url": f"https://files.example.com/{shipment_id}.pdf",
                "label_pdf_url": None,
            },
            "tracker": {
                "id": f"trk_{self.purchases}",
                "object": "Tracker",
                "tracking_code": number,
                "carrier": rate["carrier"],
                "shipment_id": shipment_id,
                "est_delivery_date": "2026-11-27T00:00:00Z",
                "signed_by": None,
                "status": "unknown",
                "tracking_details": [],
            },
        }
        return shipment

    def refund(self, shipment_id: str, body: Json | None = None) -> Json:
        shipment = self.shipments[shipment_id]
        if not shipment["postage_label"] or shipment["refund_status"] == "submitted":
            raise Refusal(422, "SHIPMENT.REFUND.UNAVAILABLE", "Refund is not available.")
        shipment["refund_status"] = self.refund_status
        return shipment

    def scan(self, shipment_id: str, status: str, at: str | None, **fields: Any) -> None:
        """Add a scan to the tracker of a shipment."""
        detail = {
            "object": "TrackingDetail",
            "status": status,
            "datetime": at,
            "message": "",
            **fields,
        }
        self.shipments[shipment_id]["tracker"]["tracking_details"].append(detail)

    def signed(self, event: Json) -> tuple[bytes, dict[str, str]]:
        """Return a webhook's body and its headers."""
        body = json.dumps(event, separators=(",", ":")).encode()
        key = self.secret.replace("ï", "i\u0308").encode()
        digest = hmac.new(key, body, hashlib.sha256).hexdigest()
        return body, {"X-Hmac-Signature": f"hmac-sha256-hex={digest}"}


class _Handler(BaseHTTPRequestHandler):
    peer: EasyPostPeer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        self._respond(None)

    def do_POST(self) -> None:
        self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _respond(self, body: Json | None) -> None:
        peer = self.peer
        authorization = self.headers.get("Authorization")
        peer.requests.append((self.path, body or {}, authorization))
        if body is not None and peer.before_post:
            before_post, peer.before_post = peer.before_post, None
            before_post()
        fault = peer.faults.popleft() if peer.faults else None
        if isinstance(fault, tuple):
            self._send(*fault)
            return
        try:
            if isinstance(fault, int):
                raise Refusal(fault, "OUT_OF_ORDER", f"Not with {body}.")
            status, content = 200, peer.respond(self.path, body, authorization)
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message, "errors": refusal.errors}
            status, content = refusal.status, {"error": error}
        if fault == "late":
            self.connection.recv(1)  # until the client has given up
        if fault in ("late", "lost"):
            self.close_connection = True
            return
        self._send(status, json.dumps(content))

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: Any) -> None:
        """Write no log."""
