import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from config.core.exceptions import BadSignature
from payments.gateways.stripe.gateway import Stripe
from payments.gateways.stripe.webhooks import parse, verify
from tests.payments.conftest import payment_request, refund_request
from tests.payments.stripe_peer import StripePeer

stripe = Stripe()
EVENT = {"id": "evt_1", "type": "payment_intent.succeeded", "created": 1}


def test_a_signed_webhook_is_accepted(stripe_peer: StripePeer) -> None:
    body, signature = stripe_peer.signed(EVENT)
    assert verify(body, signature) == body.decode()
    body, signature = stripe_peer.signed(EVENT, at=time.time() - 290)
    assert verify(body, f"{signature},v1=0,v0=1")  # of two secrets, while one replaces the other


def test_an_unsigned_or_old_webhook_is_refused(stripe_peer: StripePeer) -> None:
    body, signature = stripe_peer.signed(EVENT)
    old_body, old_signature = stripe_peer.signed(EVENT, at=time.time() - 310)
    for received, signed in (
        (body.replace(b"evt_1", b"evt_2"), signature),
        (body + b"\xff", signature),
        (old_body, old_signature),
        (old_body, signature.split(",")[0] + "," + old_signature.split(",")[1]),
        (body, StripePeer.signed(stripe_peer, EVENT | {"created": 2})[1]),
        (body, signature.replace("v1=", "v0=")),
        (body, "t=1,v1=é"),
        (body, "t=now"),
        (body, ""),
    ):
        with pytest.raises(BadSignature):
            verify(received, signed)


def test_without_a_secret_every_webhook_is_refused(stripe_peer: StripePeer, settings: Any) -> None:
    stripe_peer.secret = settings.STRIPE_WEBHOOK_SECRET = ""
    with pytest.raises(BadSignature):
        verify(*stripe_peer.signed(EVENT))


def test_a_webhook_reports_a_captured_payment(stripe_peer: StripePeer) -> None:
    paid = stripe.attempt(payment_request())
    (event,) = stripe_peer.events
    reported = parse(json.dumps(event))
    assert reported
    assert (reported.event_id, reported.event_type) == (event["id"], "payment_intent.succeeded")
    assert (reported.account, reported.payment_id) == ("acct_1", "pay_1")
    assert reported.refund_id is reported.refund_result is None
    assert reported.payment_result
    assert reported.payment_result.state == "succeeded"
    assert reported.payment_result.amount == Decimal("125.50")
    assert reported.payment_result.charge_id == paid.charge_id
    assert reported.payment_result.card_last4 is None
    assert reported.payment_result.paid_at == datetime.fromtimestamp(event["created"], UTC)


@pytest.mark.parametrize("token", ["pm_card_chargeDeclined", "pm_card_authenticationRequired"])
def test_a_decline_is_the_same_in_response_and_webhook(token: str, stripe_peer: StripePeer) -> None:
    response = stripe.attempt(payment_request(token=token))
    if response.state == "waiting":
        stripe_peer.authenticate(str(response.gateway_payment_id), succeeds=False)
        response = stripe.retrieve(payment_request(gateway_payment_id=response.gateway_payment_id))
    reported = parse(json.dumps(stripe_peer.events[-1]))
    assert reported
    assert reported.payment_result == response
    assert response.state == "declined"


def test_a_webhook_reports_a_processing_payment(stripe_peer: StripePeer) -> None:
    stripe.attempt(payment_request(token="pm_usBankAccount"))
    reported = parse(json.dumps(stripe_peer.events[-1]))
    assert reported
    assert reported.payment_result
    assert reported.payment_result.state == "processing"


def test_a_webhook_reports_a_cancelled_payment(stripe_peer: StripePeer) -> None:
    waiting = stripe.attempt(payment_request(token=None))
    stripe.cancel(payment_request(gateway_payment_id=waiting.gateway_payment_id))
    reported = parse(json.dumps(stripe_peer.events[-1]))
    assert reported
    assert reported.payment_result
    assert reported.payment_result.state == "cancelled"


@pytest.mark.parametrize(
    ("status", "reason", "state", "code"),
    [
        ("succeeded", None, "succeeded", ""),
        ("failed", "lost_or_stolen_card", "failed", "lost_or_stolen_card"),
        ("canceled", None, "failed", "canceled"),
    ],
)
def test_a_webhook_reports_a_refund(
    status: str, reason: str | None, state: str, code: str, stripe_peer: StripePeer
) -> None:
    paid = stripe.attempt(payment_request())
    stripe_peer.refund_status = "pending"
    refund = stripe.refund(refund_request(paid.gateway_payment_id))
    stripe_peer.finish(str(refund.gateway_refund_id), status, reason)
    begun, ended = (parse(json.dumps(event)) for event in stripe_peer.events[-2:])
    assert begun
    assert ended
    assert begun.refund_result == refund
    assert (ended.payment_id, ended.refund_id, ended.payment_result) == ("pay_1", "ref_1", None)
    assert ended.refund_result
    assert (ended.refund_result.state, ended.refund_result.error_code) == (state, code)
    assert bool(ended.refund_result.refunded_at) == (state == "succeeded")


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        ("payment_intent.succeeded", {}),
        ("payment_intent.created", {"payment_id": "pay_1"}),
        ("refund.created", {}),
        ("charge.succeeded", {"payment_id": "pay_1"}),
        ("customer.created", None),
    ],
)
def test_a_webhook_about_anything_else_is_ignored(kind: str, metadata: Any) -> None:
    about = {"id": "x_1", "metadata": metadata}
    assert parse(json.dumps(EVENT | {"type": kind, "data": {"object": about}})) is None
