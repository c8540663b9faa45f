"""The Stripe gateway against localstripe, an independent imitation of Stripe."""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.request import Request, urlopen

import pytest

from config.core.exceptions import BadSignature
from payments.gateways.stripe.gateway import Stripe
from payments.gateways.stripe.webhooks import parse, verify
from tests.factories import refund, start_payment
from tests.log import event_names, latest_number
from tests.payments.conftest import payment_request, refund_request
from tests.payments.flows import post, start

stripe = Stripe()


@pytest.fixture
def webhooks(localstripe: str, settings: Any) -> Iterator[queue.Queue[tuple[bytes, str]]]:
    """Return the queue of the bodies and signatures that localstripe posts."""
    received: queue.Queue[tuple[bytes, str]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.put((body, self.headers["Stripe-Signature"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    where = {
        "url": f"http://127.0.0.1:{server.server_port}",
        "secret": settings.STRIPE_WEBHOOK_SECRET,
        "events": ["payment_intent.succeeded", "payment_intent.payment_failed"],
    }
    configuration = Request(
        f"{localstripe}/_config/webhooks/tests",
        json.dumps(where).encode(),
        {"Content-Type": "application/json"},
    )
    urlopen(configuration).close()
    yield received
    server.shutdown()
    server.server_close()


def test_a_card_is_declined_and_the_next_one_succeeds(localstripe: str) -> None:
    declined = stripe.attempt(payment_request(token="pm_card_chargeCustomerFail"))
    assert (declined.state, declined.error_code) == ("declined", "card_declined")
    assert declined.error_message == "Your card was declined."
    assert str(declined.charge_id).startswith("ch_")

    paid = stripe.attempt(payment_request(attempt_id="attempt_2"))
    assert (paid.state, paid.currency) == ("succeeded", "USD")
    assert paid.amount == payment_request().amount
    assert (paid.card_brand, paid.card_last4) == ("visa", "4242")
    assert paid.paid_at
    assert stripe.retrieve(payment_request(gateway_payment_id=paid.gateway_payment_id)) == paid


def test_a_payment_waits_for_the_customer_until_it_is_cancelled(localstripe: str) -> None:
    waiting = stripe.attempt(payment_request(token=None))
    assert waiting.state == "waiting"
    assert waiting.client_secret
    known = payment_request(token=None, gateway_payment_id=waiting.gateway_payment_id)
    assert stripe.cancel(known).state == "cancelled"
    assert stripe.retrieve(known).state == "cancelled"


def test_a_captured_payment_is_not_cancelled(localstripe: str) -> None:
    paid = stripe.attempt(payment_request())
    assert stripe.cancel(payment_request(gateway_payment_id=paid.gateway_payment_id)) == paid


def test_a_part_is_refunded(localstripe: str) -> None:
    paid = stripe.attempt(payment_request())
    refunded = stripe.refund(refund_request(paid.gateway_payment_id))
    assert (refunded.state, bool(refunded.refunded_at)) == ("succeeded", True)
    again = refund_request(paid.gateway_payment_id, first_called_at=paid.paid_at)
    assert stripe.refund(again) == refunded


def test_signed_webhooks_report_the_state_of_a_payment(
    webhooks: queue.Queue[tuple[bytes, str]],
) -> None:
    request = payment_request(payment_id="pay_2", token="pm_card_chargeCustomerFail")
    declined = stripe.attempt(request)
    paid = stripe.attempt(payment_request(payment_id="pay_2", attempt_id="attempt_2"))
    results = {}
    while len(results) < 2:  # webhooks of other tests arrive too
        body, signature = webhooks.get(timeout=60)
        with pytest.raises(BadSignature):
            verify(body.replace(b"12550", b"12551"), signature)
        event = parse(verify(body, signature))
        assert event
        if event.payment_id == "pay_2":
            results[event.event_type] = event.payment_result
    assert results["payment_intent.payment_failed"].charge_id == declined.charge_id
    succeeded = results["payment_intent.succeeded"]
    assert succeeded.gateway_payment_id == paid.gateway_payment_id
    assert (succeeded.amount, succeeded.currency) == (paid.amount, "USD")


@pytest.mark.django_db
def test_an_order_is_paid_and_a_part_of_it_refunded(
    localstripe: str, webhooks: queue.Queue[tuple[bytes, str]], run_reactions: Any
) -> None:
    declined = start(token="pm_card_chargeCustomerFail")
    order = declined.order
    paid = start_payment(order, method="stripe", token="pm_card_visa")
    assert (declined.status, paid.status, paid.card_last4) == ("failed", "succeeded", "4242")
    run_reactions()
    assert "order.confirmed" in event_names(order)
    assert refund(paid, "10").status == "succeeded"
    before, delivered = latest_number(), set[str]()
    while not {declined.id, paid.id} <= delivered:
        body, signature = webhooks.get(timeout=60)
        assert post(body.replace(b"payment_intent", b"payment"), signature).status_code == 400
        assert post(body, f"{signature}0").status_code == 400
        assert post(body, signature).status_code == 204
        delivered.add(str(json.loads(body)["data"]["object"]["metadata"].get("payment_id")))
    assert event_names(order, after=before) == [], "the webhooks contain nothing new"
