"""The Stripe gateway against localstripe, an independent imitation of Stripe.

What localstripe 1.15.10 cannot do, `stripe_peer` does in test_authorization.py and
test_gateway_itself.py. It was tried; localstripe

- answers a part capture with the whole amount, and with a refund of the rest, as Stripe's API did
  before 2025-03-31.basil;
- accepts an amount of one cent, a refund of more than is left, and the capture of a cancelled
  payment;
- sends no webhooks of authorizations, cancellations and refunds;
- has no disputes: 404 for `/v1/disputes` and for `pm_card_createDispute`.
"""

import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from config.core.exceptions import BadSignature
from payments.gateways.stripe.gateway import Stripe
from payments.gateways.stripe.webhooks import parse, verify
from payments.services import capture
from tests.factories import OrderFactory, invoice_of, refund, start_payment
from tests.log import event_names, latest_number
from tests.payments.conftest import payment_request, refund_request
from tests.payments.flows import call, connect, post, start
from tests.payments.stripe_peer import sign

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


def test_an_authorized_payment_is_captured_once(localstripe: str) -> None:
    request = payment_request(captures_later=True)
    reserved = stripe.attempt(request)
    assert (reserved.state, reserved.amount) == ("authorized", request.amount)
    known = replace(request, gateway_payment_id=reserved.gateway_payment_id)
    assert stripe.retrieve(known) == reserved
    too_much = stripe.capture(replace(known, capture_amount=request.amount + 1))
    assert (too_much.state, too_much.error_code) == ("refused", "invalid_request_error")
    paid = stripe.capture(replace(known, capture_amount=request.amount))
    assert (paid.state, paid.amount, paid.card_last4) == ("succeeded", request.amount, "4242")
    assert stripe.capture(replace(known, capture_amount=request.amount)) == paid
    assert stripe.cancel(known) == paid


def test_an_authorized_payment_is_voided(localstripe: str) -> None:
    reserved = stripe.attempt(payment_request(captures_later=True))
    known = payment_request(gateway_payment_id=reserved.gateway_payment_id)
    assert [stripe.cancel(known).state for _ in range(2)] == ["cancelled"] * 2


def test_an_unknown_card_is_no_decline(localstripe: str) -> None:
    refused = stripe.attempt(payment_request(token="pm_unknown"))
    assert (refused.state, refused.error_message) == ("refused", "Not Found")


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
            verify(body.replace(b"payment_intent", b"payment"), signature)
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


@pytest.mark.django_db
def test_an_authorized_order_is_paid_once_by_its_capture(
    localstripe: str, webhooks: queue.Queue[tuple[bytes, str]], run_reactions: Any
) -> None:
    connect()
    order = OrderFactory()
    payment = start_payment(order, "stripe", token="pm_card_visa", captures_later=True)
    assert (payment.status, payment.card_last4) == ("authorized", "4242")
    capture.capture_payment(payment_id=payment.id)
    assert call(payment).status == "succeeded"
    run_reactions()
    assert event_names(order).count("payment.succeeded") == 1
    before, delivered = latest_number(), ""
    while delivered != payment.id:
        body, signature = webhooks.get(timeout=60)
        assert post(body, signature).status_code == 204
        delivered = json.loads(body)["data"]["object"]["metadata"].get("payment_id")
    assert event_names(order, after=before) == [], "the webhook contains nothing new"


@pytest.mark.django_db
def test_a_refund_in_the_dashboard_is_recorded_once(
    localstripe: str, settings: Any, run_reactions: Any
) -> None:
    payment = start(token="pm_card_visa")
    run_reactions()
    form = urlencode({"payment_intent": payment.gateway_payment_id, "amount": 1000}).encode()
    headers = {
        "Authorization": f"Bearer {settings.STRIPE_API_KEY}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    with urlopen(Request(f"{localstripe}/v1/refunds", form, headers)) as response:
        made = json.load(response)
    for kind in ("refund.created", "refund.updated", "charge.refund.updated"):
        event = {
            "id": f"evt_{kind}_{made['id']}",
            "type": kind,
            "account": payment.account,
            "created": made["created"],
            "data": {"object": made},
        }
        for _ in range(2):
            assert post(*sign(event, settings.STRIPE_WEBHOOK_SECRET)).status_code == 204
    run_reactions()
    payment.refresh_from_db()
    assert (payment.refunded, len(payment.refunds)) == (10, 1)
    assert event_names(payment.order).count("payment.refunded") == 1
    assert invoice_of(payment.order).creditable_amount == 40
    refund(payment, "40")
    payment.refresh_from_db()
    assert payment.status == "refunded"
