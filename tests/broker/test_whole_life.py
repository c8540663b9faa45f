"""One life over HTTP, from a cart to a refunded return: every message matches its sample.

Web, workers, beat, PostgreSQL, RabbitMQ and the mail server are real; pika listens.
"""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.utils import timezone

from carts import services as carts
from events.delivery import broker
from events.models import EventRecord, Outbox
from tests.broker.conftest import Consumer, Message, wait_until
from tests.contract.test_samples import SAMPLES
from tests.documents import text_of
from tests.factories import ADDRESS
from tests.mailbox import Mailbox

pytestmark = pytest.mark.django_db(transaction=True)

QUEUES = broker.bindings()
MUG = {
    "variant_id": "var_mug",
    "title": "Stoneware mug",
    "quantity": 4,
    "unit_price": "12.50",
    "tax_rate": "0.16",
    "preferred_warehouse_id": "wh_101",
}
TERMS = {
    "customer_email": "juan@example.com",
    "shipping_address": ADDRESS,
    "shipping": {
        "carrier": "FedEx",
        "service": "Ground",
        "cost": "9.90",
        "signature_required": True,
    },
}


def shape(value: Any) -> Any:
    """Return the keys in order with the JSON types; numbers with and without decimals differ."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items()}
        case list():
            assert value, "an empty list has no shape"
            shapes = [shape(each) for each in value]
            assert all(each == shapes[0] for each in shapes)
            return shapes[:1]
    return type(value).__name__


def keys(value: Any) -> Any:
    """Return the keys in order."""
    if isinstance(value, dict):
        return [(name, keys(each)) for name, each in value.items()]
    return [keys(value[0])] if isinstance(value, list) else None


class Shop:
    """A client of the API that collects the messages about its orders and carts."""

    def __init__(self, send: Callable[..., Any], consumer: Consumer) -> None:
        self.send, self.consumer, self.numbers = send, consumer, count()
        self.expected: dict[str, list[str]] = {}

    def post(self, path: str, body: Any = None) -> Any:
        return self.send("POST", path, body, **{"Idempotency-Key": f"key-{next(self.numbers)}"})

    def only(self, path: str) -> Any:
        """Wait until a list has a row, and return the row."""
        wait_until(lambda: self.send("GET", path)["results"], f"{path} stays empty")
        (row,) = self.send("GET", path)["results"]
        return row

    def expect(self, stream: str, *names: str) -> None:
        """These are the next events of the stream, in this order."""
        expected = self.expected.setdefault(stream, [])
        expected += names
        wait_until(lambda: len(self.names(stream)) >= len(expected), f"{names} have not arrived")
        assert self.names(stream)[: len(expected)] == expected, "later messages may be there too"

    def names(self, stream: str) -> list[str]:
        return [json.loads(message.body)["event"] for message in self.of(stream)]

    def of(self, stream: str) -> list[Message]:
        return [message for message in self.consumer.read() if message.place[0] == stream]


def check_out(shop: Shop) -> Any:
    cart = shop.post(
        "/carts",
        {
            "customer_id": "cust_789",
            "session_id": "sess_456",
            "currency": "USD",
            "local_id": "local_101",
        },
    )
    shop.post(f"/carts/{cart['id']}/items", MUG)
    order = shop.post(f"/carts/{cart['id']}/checkout", TERMS)
    shop.expect(cart["id"], "cart.created", "cart.item_added", "cart.converted")
    shop.expect(order["id"], "order.created", "order.placed")
    units = {"order_item_id": order["items"][0]["id"], "warehouse_id": "wh_101", "quantity": 4}
    reservation = {"reservation_id": "res_123", "allocations": [units]}
    return shop.post(f"/orders/{order['id']}/reservation", reservation)


def pay(shop: Shop, order: Any) -> None:
    body = {"order_id": order["id"], "payment_method": "sandbox"}
    payment = shop.post("/payments", body | {"gateway_token": "tok_declined"})
    shop.expect(order["id"], "payment.pending", "payment.failed")
    shop.post(f"/payments/{payment['id']}/retry", {"gateway_token": "tok_ok"})
    shop.expect(order["id"], "payment.pending", "payment.succeeded", "order.confirmed")
    shop.expect(order["id"], "invoice.created", "invoice.sent")


def send_it(shop: Shop, order: Any) -> None:
    found = shop.only(f"/fulfillments?order={order['id']}")
    path = f"/fulfillments/{found['id']}"
    shop.post(f"{path}/start", {"assigned_to": "picker_user_123"})
    shop.expect(order["id"], "fulfillment.started", "order.processing")
    scan = {"order_item_id": order["items"][0]["id"], "quantity": 2}
    for scan_id in ("scan_1", "scan_1", "scan_2"):  # one is repeated
        shop.post(f"{path}/picks", scan | {"scan_id": scan_id})
    shop.expect(order["id"], "fulfillment.item_picked", "fulfillment.item_picked")
    shop.post(f"{path}/pack", {"packages": [{"weight": "2.5"}]})
    shop.expect(order["id"], "fulfillment.packed", "shipment.created")


def bring_it(shop: Shop, order: Any) -> None:
    shipment = shop.only(f"/shipments?order={order['id']}")
    path, now = f"/shipments/{shipment['id']}", timezone.now()
    shop.post(f"{path}/label")
    shop.expect(order["id"], "shipment.label_created")
    day = (now + timedelta(days=2)).date().isoformat()
    shop.post(f"{path}/dispatch", {"estimated_delivery": day})
    shop.expect(order["id"], "shipment.dispatched", "order.shipped")
    scan = {
        "scan_id": "scan_1",
        "status": "in_transit",
        "location": "Memphis, TN",
        "description": "In transit to destination",
        "occurred_at": now.isoformat(),
    }
    for _ in range(3):
        shop.post(f"{path}/scans", scan)
    shop.expect(order["id"], "shipment.in_transit")
    proof = {
        "recipient": "Juan Pérez",
        "signature": "Juan Pérez",
        "delivery_photo_url": "https://example.com/door.jpg",
    }
    shop.post(f"{path}/deliver", proof)
    shop.expect(order["id"], "shipment.delivered", "order.delivered")
    shop.post(f"{path}/scans", scan | {"scan_id": "scan_2"})  # after the end: nothing


def send_some_back(shop: Shop, order: Any) -> None:
    item = order["items"][0]["id"]
    asked = {"order_item_id": item, "quantity": 3}
    body = {"order_id": order["id"], "reason": "wrong_size", "items": [asked]}
    path = f"/returns/{shop.post('/returns', body)['id']}"
    shop.post(f"{path}/approve", {"return_shipping_label_url": "https://example.com/label.pdf"})
    shop.expect(order["id"], "return.requested", "return.approved")
    for quantity in (2, 1):
        came = {"order_item_id": item, "quantity": quantity, "condition": "good"}
        shop.post(f"{path}/receive", {"warehouse_id": "wh_101", "items": [came]})
        shop.expect(order["id"], "return.received")
    shop.post(f"{path}/refund")
    shop.expect(order["id"], "payment.refunded", "return.refunded")


def cancel_another(shop: Shop) -> None:
    order = check_out(shop)
    pay(shop, order)
    shop.post(f"/orders/{order['id']}/cancel", {"reason": "customer_request"})
    shop.expect(order["id"], "order.cancelled", "payment.refunded")


def leave_a_cart(shop: Shop) -> None:
    new = {"customer_id": "cust_789", "session_id": "sess_456", "currency": "USD"}
    cart = shop.post("/carts", new)
    shop.post(f"/carts/{cart['id']}/items", MUG)
    assert carts.abandon_idle_carts(now=timezone.now() + timedelta(days=2)) == 1
    shop.expect(cart["id"], "cart.created", "cart.item_added", "cart.abandoned")


def assert_the_invoice_came(mails: Mailbox) -> None:
    """Check the mail with the invoice of the first order."""
    (pdf,) = mails.mails[0].iter_attachments()
    text = text_of(pdf.get_content())[0]
    assert {"Stoneware", "50.00", "USD"} <= set(text.split())


def test_the_messages_of_a_whole_life_match_the_samples(mails, web, consumers):
    shop = Shop(web, consumers("#"))
    queues = {name: consumers(None, name) for name in QUEUES}
    order = check_out(shop)
    pay(shop, order)
    send_it(shop, order)
    bring_it(shop, order)
    send_some_back(shop, order)
    cancel_another(shop)
    leave_a_cart(shop)
    wait_until(lambda: not Outbox.objects.exists(), "messages are still pending")

    messages = shop.consumer.read()
    seen = Counter()
    for message in messages:
        envelope = json.loads(message.body, parse_float=Decimal)
        sample = json.loads(SAMPLES[envelope["event"]], parse_float=Decimal)
        assert keys(envelope) == keys(sample), envelope
        assert shape(envelope) == shape(sample), envelope
        assert (envelope["version"], envelope["organization_id"]) == ("1.0", "org_1")
        assert datetime.fromisoformat(envelope["timestamp"]).tzinfo
        assert message.routing_key == f"order.{envelope['event']}"
        assert message.properties.headers["CC"] == [envelope["event"]]
        assert message.body == EventRecord.objects.get(id=message.id).body.encode()
        seen[envelope["event"]] += 1
    assert seen.keys() == SAMPLES.keys()
    for stream, names in shop.expected.items():
        sequences = [message.place[1] for message in shop.of(stream)]
        assert sequences == list(range(1, len(names) + 1))
    ids = {message.id for message in messages}
    for name, events in QUEUES.items():
        theirs = [each for each in queues[name].read() if each.id in ids]  # not another test's
        assert Counter(each.properties.type for each in theirs) == {
            event: seen[event] for event in events
        }, name
    feed = web("GET", "/events?page_size=100")["results"]
    assert {entry["id"] for entry in feed} == ids
    assert_the_invoice_came(mails)
