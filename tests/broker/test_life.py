"""The service as it is deployed: web, two workers and beat as processes of their own."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from pypdf import PdfReader

from carts import services as carts
from events.models import Event, Outbox
from tests.broker.conftest import Consumer, in_order, wait_until
from tests.factories import ADDRESS, CartFactory

pytestmark = pytest.mark.django_db(transaction=True)

QUEUES = settings.CONSUMER_CONFIG[settings.EVENTS_EXCHANGE]["queues"]


def live(send: Callable[..., Any]) -> None:
    """A guest's cart becomes a customer's order, which Inventory reserves and the customer cancels;
    another cart is abandoned."""
    guest = send("POST", "/carts", {"session_id": "sess_1", "currency": "EUR"})
    line = {"variant_id": "var_1", "title": "Café", "quantity": 2, "unit_price": "62.75"}
    send("POST", f"/carts/{guest['id']}/items", line)
    cart = send("POST", "/carts", {"customer_id": "cust_1", "currency": "EUR"})
    send("POST", f"/carts/{guest['id']}/merge", {"into": cart["id"]})
    key = {"Idempotency-Key": "checkout-1"}
    terms = {"shipping_address": ADDRESS}
    order = send("POST", f"/carts/{cart['id']}/checkout", terms, **key)
    assert send("POST", f"/carts/{cart['id']}/checkout", terms, **key) == order
    place = {"order_item_id": order["items"][0]["id"], "warehouse_id": "wh_1", "quantity": 2}
    reservation = {"reservation_id": "res_1", "allocations": [place]}
    send("POST", f"/orders/{order['id']}/reservation", reservation)
    send("POST", f"/orders/{order['id']}/cancel", {"reason": "customer_request"})
    CartFactory()
    assert carts.abandon_idle_carts(now=timezone.now() + timedelta(days=2)) == 1


def test_consumers_receive_every_event_of_a_life(web, consumers):
    everything: Consumer = consumers("#")
    queues = {name: consumers(None, f"{settings.EVENTS_QUEUE_PREFIX}{name}") for name in QUEUES}
    live(web)
    rows = {row.id: row for row in Event.objects.filter(sequence__isnull=False)}
    wait_until(lambda: not Outbox.objects.exists(), "something is still owed")
    wait_until(lambda: len(everything.read()) >= len(rows), "something has not arrived")

    in_order(everything.places())
    names = [rows[message.id].name for message in everything.messages]
    assert sorted(names) == sorted(
        ["cart.created"] * 3
        + ["cart.item_added"] * 2
        + ["cart.converted", "cart.abandoned"]
        + ["order.created", "order.placed", "order.cancelled"]
    )
    for message in everything.messages:
        row = rows[message.id]
        assert message.body == row.body.encode()
        assert message.routing_key == f"order.{row.name}"
    for name, wanted in QUEUES.items():
        got = [rows[message.id].name for message in queues[name].read()]
        assert sorted(got) == sorted(event for event in names if event in wanted), name


def test_a_payment_confirms_the_order_and_brings_the_invoice(mails, web, consumers):
    everything: Consumer = consumers("#")
    line = {"variant_id": "var_1", "title": "Café", "quantity": 2, "unit_price": "62.75"}
    order = web(
        "POST",
        "/orders",
        {
            "currency": "EUR",
            "customer_email": "juan@example.com",
            "items": [line],
            "shipping_address": ADDRESS,
        },
    )
    web("POST", f"/orders/{order['id']}/place")
    body = {"order_id": order["id"], "payment_method": "sandbox", "gateway_token": "tok_ok"}
    payment = web("POST", "/payments", body, **{"Idempotency-Key": "pay-1"})
    assert payment["status"] == "succeeded"
    wait_until(lambda: mails.mails, "no mail has come")
    wait_until(lambda: len(everything.read()) >= 7, "something has not arrived")

    told = [message.routing_key for message in everything.messages]
    assert told == [
        "order.order.created",
        "order.order.placed",
        "order.payment.pending",
        "order.payment.succeeded",
        "order.order.confirmed",
        "order.invoice.created",
        "order.invoice.sent",
    ]
    (pdf,) = mails.mails[0].iter_attachments()
    text = PdfReader(BytesIO(pdf.get_content())).pages[0].extract_text()
    assert {"Café", "125.50", "EUR"} <= set(text.split())
    (invoice,) = web("GET", f"/invoices?order={order['id']}")["results"]
    assert (invoice["status"], invoice["total"]) == ("sent", "125.50")


def test_the_feed_tells_the_same_as_the_broker(web, consumers):
    everything: Consumer = consumers("#")
    live(web)
    wait_until(lambda: not Outbox.objects.exists(), "something is still owed")
    feed = web("GET", "/events")["results"]
    assert sorted(entry["id"] for entry in feed) == sorted(m.id for m in everything.read())
