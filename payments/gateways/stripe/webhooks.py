"""Stripe's webhooks: their signature and their events."""

import json

import stripe
from django.conf import settings

from config.core import inbox
from config.core.exceptions import BadSignature
from payments.gateways import WebhookEvent
from payments.gateways.stripe.objects import payment_result, refund_result

PAYMENT_EVENTS = {
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.succeeded",
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
    stripe_object, at = event["data"]["object"], event["created"]
    metadata = stripe_object.get("metadata") or {}
    payment_id, refund_id = metadata.get("payment_id"), metadata.get("refund_id")
    is_payment = event["type"] in PAYMENT_EVENTS
    is_refund = event["type"] in REFUND_EVENTS and refund_id
    if not payment_id or not (is_payment or is_refund):
        return None
    return WebhookEvent(
        event_id=event["id"],
        event_type=event["type"],
        account=event.get("account"),
        payment_id=payment_id,
        payment_result=payment_result(stripe_object, at) if is_payment else None,
        refund_id=refund_id,
        refund_result=refund_result(stripe_object, at) if is_refund else None,
    )
