"""Stripe's webhooks: their signature and their events."""

import json

import stripe
from django.conf import settings

from config.core import inbox
from config.core.exceptions import BadSignature
from payments.gateways import WebhookEvent
from payments.gateways.stripe.objects import (
    Json,
    dispute_result,
    payment_result,
    refund_result,
)

PAYMENT_EVENTS = {
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.succeeded",
}
DISPUTE_EVENTS = {
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
}
REFUND_EVENTS = {"charge.refund.updated", "refund.created", "refund.failed", "refund.updated"}


def verify(body: bytes, signature: str) -> str:
    """Return the text of a webhook. Raises BadSignature."""
    try:
        stripe.WebhookSignature.verify_header(
            body, signature, settings.STRIPE_WEBHOOK_SECRET, stripe.Webhook.DEFAULT_TOLERANCE
        )
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        raise BadSignature(
            "The webhook is not signed by Stripe, or was signed more than five minutes ago: "
            "check STRIPE_WEBHOOK_SECRET and the clock."
        ) from None
    return body.decode()


@inbox.parsing("Stripe")
def parse(text: str) -> WebhookEvent | None:
    """Return the event of a verified webhook, or None if it is not about one of our payments.

    The event of a captured payment does not contain the card. Raises BadMessage.
    """
    event = json.loads(text)
    stripe_object, at, kind = event["data"]["object"], event["created"], event["type"]
    metadata = stripe_object.get("metadata") or {}
    payment_id, intent_id = metadata.get("payment_id"), stripe_object.get("payment_intent")
    # A refund or a dispute of a charge without a PaymentIntent is not ours.
    is_payment = kind in PAYMENT_EVENTS and payment_id
    is_refund = kind in REFUND_EVENTS and (payment_id or intent_id)
    is_dispute = kind in DISPUTE_EVENTS and intent_id and not is_inquiry(stripe_object)
    if not (is_payment or is_refund or is_dispute):
        return None
    return WebhookEvent(
        event_id=event["id"],
        event_type=kind,
        account=event.get("account"),
        payment_id=payment_id,
        gateway_payment_id=intent_id,
        payment_result=payment_result(stripe_object, at) if is_payment else None,
        refund_id=metadata.get("refund_id"),
        refund_result=refund_result(stripe_object, at) if is_refund else None,
        dispute_result=dispute_result(stripe_object, at) if is_dispute else None,
    )


def is_inquiry(dispute: Json) -> bool:
    """Return whether the bank only asks, and takes no money back."""
    return str(dispute["status"]).startswith("warning")
