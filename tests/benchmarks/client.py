"""A client of the API that lives an order's life, and measures its requests."""

import json
import threading
import time
from collections import Counter, defaultdict
from http.client import HTTPConnection
from itertools import count
from time import perf_counter
from typing import Any

import pika

from tests.factories import ADDRESS

PATIENCE = 60  # seconds until an event that must come counts as lost
WAREHOUSE = "wh_101"
TERMS = {
    "customer_email": "juan@example.com",
    "shipping_address": ADDRESS,
    "shipping": {"carrier": "FedEx", "service": "Ground", "cost": "9.90"},
}


class Listener:
    """A consumer of all messages, which counts the events of each stream."""

    def __init__(self, url: str) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.received = 0
        self._changed = threading.Condition()
        parameters = pika.URLParameters(f"{url.removesuffix('//')}/%2F")
        self._connection = pika.BlockingConnection(parameters)
        self._channel = channel = self._connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.exchange_declare("order_events", "topic", durable=True)
        channel.queue_bind(queue, "order_events", "#")
        channel.basic_consume(queue, self._count, auto_ack=True)
        self._thread = threading.Thread(target=channel.start_consuming)
        self._thread.start()

    def close(self) -> None:
        self._connection.add_callback_threadsafe(self._channel.stop_consuming)
        self._thread.join()
        self._connection.close()

    def _count(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        with self._changed:
            self.counts[properties.headers["x-stream"]][properties.type] += 1
            self.received += 1
            self._changed.notify_all()

    def expect(self, stream: str, name: str) -> None:
        """Wait until an event of the stream has arrived."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: self.counts[stream][name], PATIENCE)
        assert arrived, f"{name} of {stream} has not arrived"


class Client:
    """Sends requests on one connection; `took` are the seconds of each kind of request."""

    numbers = count()

    def __init__(self, address: str, token: str, listener: Listener) -> None:
        self.listener = listener
        self.took: defaultdict[str, list[float]] = defaultdict(list)
        self._connection = HTTPConnection(address, timeout=30)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "X-Forwarded-Proto": "https",
        }

    def post(self, kind: str, path: str, body: Any = None) -> Any:
        """Send a command and return the row."""
        started = perf_counter()
        key = {"Idempotency-Key": f"key-{next(self.numbers)}"}
        answer = self._send("POST", path, body, key)
        self.took[kind].append(perf_counter() - started)
        return answer

    def get(self, path: str) -> Any:
        """Return a row or a page of a list."""
        return self._send("GET", path, None, {})

    def only(self, path: str, order: Any) -> str:
        """Poll a list until it has the order's row, and return the row's path."""
        while not (rows := self._send("GET", f"{path}?order={order['id']}", None, {})["results"]):
            time.sleep(0.02)  # other processes create it
        return f"{path}/{rows[0]['id']}"

    def live(self) -> None:
        """From a cart to a refunded return, which publishes 27 messages."""
        order = self.check_out()
        self.post(
            "reservation",
            f"/orders/{order['id']}/reservation",
            {
                "reservation_id": "res_1",
                "allocations": [
                    {"order_item_id": item["id"], "warehouse_id": WAREHOUSE, "quantity": 2}
                    for item in order["items"]
                ],
            },
        )
        payment = {"order_id": order["id"], "payment_method": "sandbox", "gateway_token": "tok_ok"}
        self.post("payment", "/payments", payment)
        self.listener.expect(order["id"], "order.confirmed")
        self._ship(order)
        self._send_back(order)
        for name in ("return.refunded", "invoice.sent"):
            self.listener.expect(order["id"], name)

    def check_out(self) -> Any:
        cart = self.post("cart", "/carts", {"customer_id": "cust_789", "currency": "USD"})
        for variant in ("var_mug", "var_cup"):
            line = {"variant_id": variant, "title": "Stoneware", "quantity": 2}
            price = {"unit_price": "12.50", "tax_rate": "0.16", "preferred_warehouse_id": WAREHOUSE}
            self.post("item", f"/carts/{cart['id']}/items", line | price)
        return self.post("checkout", f"/carts/{cart['id']}/checkout", TERMS)

    def _ship(self, order: Any) -> None:
        path = self.only("/fulfillments", order)
        self.post("start", f"{path}/start", {"assigned_to": "picker_1"})
        for item in order["items"]:
            scan = {"scan_id": f"scan_{item['id']}", "order_item_id": item["id"], "quantity": 2}
            self.post("pick", f"{path}/picks", scan)
        self.post("pack", f"{path}/pack", {"packages": [{"weight": "2.5"}]})
        path = self.only("/shipments", order)
        self.post("label", f"{path}/label")
        self.listener.expect(order["id"], "shipment.label_created")
        self.post("dispatch", f"{path}/dispatch", {})
        self.post("deliver", f"{path}/deliver", {"recipient": "Juan Pérez"})
        self.listener.expect(order["id"], "order.delivered")

    def _send_back(self, order: Any) -> None:
        item = {"order_item_id": order["items"][0]["id"], "quantity": 1}
        body = {"order_id": order["id"], "reason": "wrong_size", "items": [item]}
        path = f"/returns/{self.post('return', '/returns', body)['id']}"
        self.post("approve", f"{path}/approve", {})
        came = {"warehouse_id": WAREHOUSE, "items": [item | {"condition": "good"}]}
        self.post("receive", f"{path}/receive", came)
        self.post("refund", f"{path}/refund")

    def cancel(self) -> None:
        """A paid order, which is cancelled: its money is captured by hand."""
        order = self.check_out()
        payment = {"order_id": order["id"], "payment_method": "manual"}
        payment = self.post("payment by hand", "/payments", payment)
        self.listener.expect(order["id"], "payment.pending")
        self.post("capture", f"/payments/{payment['id']}/capture", {"card_last4": None})
        self.listener.expect(order["id"], "order.confirmed")
        self.only("/fulfillments", order)
        self.post("cancel", f"/orders/{order['id']}/cancel", {"reason": "customer_request"})
        self.listener.expect(order["id"], "order.cancelled")

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        sent = json.dumps(body) if body is not None else None
        self._connection.request(method, f"/api/v1{path}", sent, self._headers | headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        assert response.status < 400, answer
        return answer
