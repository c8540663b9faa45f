"""What Stripe tells of its own accord."""

import json

import stripe
from django.conf import settings

from config.core.exceptions import BadSignature
from payments.gateways import Notice
from payments.gateways.stripe.objects import charge_of, payout_of

ABOUT_PAYMENTS = {
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.succeeded",
}
ABOUT_REFUNDS = {"charge.refund.updated", "refund.created", "refund.failed", "refund.updated"}


def verify(body: bytes, signature: str) -> str:
    """Return a webhook's text. Raises BadSignature unless Stripe signed it in five minutes."""
    try:
        stripe.WebhookSignature.verify_header(
            body, signature, settings.STRIPE_WEBHOOK_SECRET, stripe.Webhook.DEFAULT_TOLERANCE
        )
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        raise BadSignature(
            "Stripe has not signed this, or more than five minutes ago: "
            "check STRIPE_WEBHOOK_SECRET and the clock."
        ) from None
    return body.decode()


def notice(text: str) -> Notice | None:
    """Return what a verified webhook tells, None where it is about nothing of ours.

    Stripe does not say there which card has paid: look, if it matters.
    """
    event = json.loads(text)
    told, at = event["data"]["object"], event["created"]
    ours = told.get("metadata") or {}
    payment_id, refund_id = ours.get("payment_id"), ours.get("refund_id")
    about_payment = event["type"] in ABOUT_PAYMENTS
    about_refund = event["type"] in ABOUT_REFUNDS and refund_id
    if not payment_id or not (about_payment or about_refund):
        return None
    return Notice(
        event_id=event["id"],
        kind=event["type"],
        account=event.get("account"),
        payment_id=payment_id,
        charge=charge_of(told, at) if about_payment else None,
        refund_id=refund_id,
        payout=payout_of(told, at) if about_refund else None,
    )
