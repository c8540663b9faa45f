"""Webhooks of Stripe, in any order and repeated."""

import json
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.models import Order
from payments import selectors, tasks
from payments.models import GatewayWebhook, Payment
from payments.services import gateway, webhooks
from tests.factories import refund
from tests.log import event_data, event_names, latest_number
from tests.payments.flows import call, deliver, post, start

pytestmark = pytest.mark.django_db


def now(payment):
    return selectors.get(payment.id)


def test_the_customer_pays_in_the_browser(stripe_peer, run_reactions):
    payment = start()
    assert (payment.status, payment.blocks_expiry) == ("pending", False)
    assert payment.client_secret
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_visa")
    assert deliver(stripe_peer, stripe_peer.events[-1]).status_code == 204
    assert now(payment).blocks_expiry, "the money is captured, so the order must not expire"
    assert (call(payment).status, now(payment).card_last4) == ("succeeded", "4242")
    run_reactions()
    assert Order.objects.get(pk=payment.order_id).status == "confirmed"


def test_every_decline_in_the_browser_is_an_attempt(stripe_peer):
    payment = start()
    for _ in range(2):
        stripe_peer.pay(payment.gateway_payment_id, "pm_card_chargeDeclined")
        deliver(stripe_peer, stripe_peer.events[-1])
    assert (now(payment).status, now(payment).retries_remaining) == ("failed", 1)
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_visa")
    deliver(stripe_peer, stripe_peer.events[-1])
    assert call(payment).status == "succeeded"
    story = ["payment.pending", "payment.failed"] * 2 + ["payment.pending", "payment.succeeded"]
    assert event_names(payment.order)[3:9] == story


def test_webhooks_repeated_and_in_reverse_order_have_one_effect(stripe_peer, run_reactions):
    payment = start(token="pm_card_chargeDeclined")
    for token in ("pm_card_chargeDeclined", "pm_card_visa"):
        stripe_peer.pay(payment.gateway_payment_id, token)
    for event in reversed(stripe_peer.events):
        for _ in range(10):
            assert deliver(stripe_peer, event).status_code == 204
        call(payment)
    run_reactions()
    assert now(payment).status == "succeeded"
    assert event_names(payment.order).count("payment.succeeded") == 1
    assert event_names(payment.order).count("order.confirmed") == 1
    assert event_names(payment.order).count("payment.failed") == 1
    assert GatewayWebhook.objects.count() == 3


def test_the_response_and_the_webhook_of_one_decline_are_one_attempt(stripe_peer):
    payment = start(token="pm_card_chargeDeclined")
    before = latest_number()
    deliver(stripe_peer, stripe_peer.events[-1])
    assert event_names(payment.order, after=before) == []
    assert now(payment).retries_remaining == 2


def test_a_webhook_may_arrive_before_the_response(stripe_peer):
    """The caller is still waiting, or was killed."""
    stripe_peer.faults.append("lost")
    payment = start(token="pm_card_chargeDeclined")
    assert payment.status == "opening"
    deliver(stripe_peer, stripe_peer.events[-1])
    assert now(payment).status == "failed"
    assert now(payment).gateway_payment_id
    before = latest_number()
    gateway.call_due_gateways(now=timezone.now() + timedelta(minutes=5))
    assert event_names(payment.order, after=before) == []


@pytest.mark.parametrize(
    "tamper",
    [
        lambda body, signature: (body.replace(b"12", b"13"), signature),
        lambda body, signature: (body, signature.replace("v1=", "v1=0")),
        lambda body, signature: (body, ""),
    ],
)
def test_an_unsigned_webhook_is_refused(stripe_peer, tamper):
    payment = start(token="pm_card_chargeDeclined")
    before = latest_number()
    response = post(*tamper(*stripe_peer.signed(stripe_peer.events[-1] | {"n": 12})))
    assert (response.status_code, response.json()["code"]) == (400, "bad_signature")
    assert "STRIPE_WEBHOOK_SECRET" in response.json()["detail"]
    assert event_names(payment.order, after=before) == []
    assert not GatewayWebhook.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"id": ["evt_1"]},
        {"id": "x" * 256},
        {"id": "evt_\0"},
        {"id": "evt_\ud800"},
        {"type": {}},
        {"created": 10**30},
        {"created": "now"},
        {"account": 1},
        {"data": None},
        {"data": {"object": "a text"}},
    ],
)
def test_a_signed_webhook_of_another_form_is_refused(stripe_peer, change):
    payment = start()
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_visa")
    before = latest_number()
    response = deliver(stripe_peer, stripe_peer.events[-1] | change)
    assert (response.status_code, response.json()["code"]) == (400, "bad_message")
    assert latest_number() == before
    assert not GatewayWebhook.objects.exists()


def test_an_old_webhook_is_refused_and_a_large_one_is_not_read(stripe_peer):
    event = {"id": "evt_1", "type": "payment_intent.succeeded"}
    assert deliver(stripe_peer, event, at=time.time() - 301).status_code == 400
    response = deliver(stripe_peer, event | {"text": "x" * 1024 * 1024})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_a_webhook_of_an_unknown_payment_is_stored_and_tried_again(stripe_peer):
    payment = start()
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_chargeDeclined")
    event = json.loads(json.dumps(stripe_peer.events[-1]).replace(payment.id, "pay_later"))
    assert deliver(stripe_peer, event).status_code == 204
    stored = GatewayWebhook.objects.get()
    assert (stored.applied_at, stored.attempts) == (None, 1)
    known = stored.payload.replace("pay_later", payment.id)
    GatewayWebhook.objects.update(payload=known)
    assert webhooks.process_pending_webhooks(now=timezone.now()) == 0, "not due yet"
    assert webhooks.process_pending_webhooks(now=timezone.now() + timedelta(minutes=2)) == 1
    assert now(payment).status == "failed"
    stored.refresh_from_db()
    assert stored.applied_at


def test_a_webhook_of_a_very_long_payment_id_is_stored(stripe_peer):
    payment = start()
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_chargeDeclined")
    foreign = json.dumps(stripe_peer.events[-1]).replace(payment.id, "p" * 500)
    assert deliver(stripe_peer, json.loads(foreign)).status_code == 204
    assert "p" * 500 in GatewayWebhook.objects.get().payload


def test_an_unmatched_webhook_expires_after_three_days(stripe_peer):
    payment = start(token="pm_card_chargeDeclined")
    event = json.loads(json.dumps(stripe_peer.events[-1]).replace(payment.id, "pay_no"))
    deliver(stripe_peer, event)
    webhooks.process_pending_webhooks(now=timezone.now() + timedelta(days=4))
    stored = GatewayWebhook.objects.get()
    assert (stored.applied_at, stored.due_at) == (None, None)
    tasks.process_pending_webhooks(now=(timezone.now() + timedelta(days=31)).isoformat())
    assert not GatewayWebhook.objects.exists()


def test_the_stored_payload_contains_no_secret_and_no_card(stripe_peer):
    payment = start()
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_chargeDeclined")
    event = json.loads(json.dumps(stripe_peer.events[-1]).replace(payment.id, "pay_later"))
    assert payment.client_secret in json.dumps(event)
    deliver(stripe_peer, event)
    assert "secret" not in GatewayWebhook.objects.get().payload.replace('"client_secret":null', "")


def test_a_webhook_of_another_account_changes_nothing(stripe_peer):
    payment = start()
    stripe_peer.pay(payment.gateway_payment_id, "pm_card_chargeDeclined")
    deliver(stripe_peer, stripe_peer.events[-1] | {"account": "acct_2"})
    assert now(payment).status == "pending"


def test_a_webhook_about_anything_else_is_not_stored(stripe_peer):
    event = {"id": "evt_1", "created": 1, "type": "customer.created", "data": {"object": {}}}
    assert deliver(stripe_peer, event).status_code == 204
    assert not GatewayWebhook.objects.exists()


def test_applied_webhooks_are_deleted_after_a_month(stripe_peer):
    start(token="pm_card_chargeDeclined")
    deliver(stripe_peer, stripe_peer.events[-1])
    webhooks.process_pending_webhooks(now=timezone.now() + timedelta(days=29))
    assert GatewayWebhook.objects.exists()
    webhooks.process_pending_webhooks(now=timezone.now() + timedelta(days=31))
    assert not GatewayWebhook.objects.exists()


def test_a_pending_refund_is_completed_by_its_webhook(stripe_peer):
    payment = start(token="pm_card_visa")
    stripe_peer.refund_status = "pending"
    pending = refund(payment, "10")
    assert (pending.status, pending.gateway_refund_id[:3]) == ("pending", "re_")
    stripe_peer.finish(pending.gateway_refund_id, "succeeded")
    for event in reversed(stripe_peer.events):
        for _ in range(3):
            deliver(stripe_peer, event)
    assert now(payment).refunded == 10
    assert event_names(payment.order).count("payment.refunded") == 1


def test_the_amount_of_a_refund_that_fails_later_is_refundable_again(stripe_peer):
    payment = start(token="pm_card_visa")
    stripe_peer.refund_status = "pending"
    pending = refund(payment, "10")
    stripe_peer.finish(pending.gateway_refund_id, "failed", "expired_or_canceled_card")
    deliver(stripe_peer, stripe_peer.events[-1])
    assert (now(payment).refunding, now(payment).refundable) == (0, 50)
    assert event_data(payment.order, "refund.failed")["error_code"] == "expired_or_canceled_card"


def test_a_refund_that_stripe_rejects_has_failed(stripe_peer):
    """An operator has refunded the payment in Stripe's dashboard."""
    payment = start(token="pm_card_visa")
    intent = stripe_peer.intents[payment.gateway_payment_id]
    stripe_peer._refund(intent, {"amount": "5000"})
    failed = refund(payment, "10")
    assert (failed.status, failed.error_code) == ("failed", "charge_already_refunded")
    assert Payment.objects.filter(selectors.with_failed_refunds()).get() == payment


@pytest.mark.parametrize(
    ("currency", "price", "units"), [("USD", "25.05", 5010), ("JPY", "1300", 2600)]
)
def test_stripe_is_called_with_the_minor_units_of_the_currency(stripe_peer, currency, price, units):
    from tests.factories import LineFactory

    payment = start(
        token="pm_card_visa",
        currency=currency,
        items=[LineFactory(unit_price=Decimal(price))],
    )
    assert stripe_peer.intents[payment.gateway_payment_id]["amount"] == units
    assert (payment.status, payment.is_mismatched) == ("succeeded", False)
