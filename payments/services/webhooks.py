"""Webhooks of payment gateways: see `config.core.inbox`."""

from dataclasses import replace
from datetime import datetime

from config.core import inbox
from payments import selectors
from payments.gateways import PaymentResult, WebhookEvent
from payments.models import GatewayWebhook, Payment
from payments.services.gateway_results import apply_payment_result, apply_refund_result


def receive_webhook(*, gateway: str, event: WebhookEvent) -> None:
    """Store a verified webhook and apply it, unless it was received before.

    A webhook of an unknown payment is stored, and tried again for three days.
    """
    if event.payment_result:
        event = replace(event, payment_result=replace(event.payment_result, client_secret=None))
    inbox.receive(GatewayWebhook, _apply, source=gateway, event=event)


def process_pending_webhooks(*, now: datetime) -> int:
    """Apply the webhooks that are due at `now`; return how many were due."""
    return inbox.process_pending(GatewayWebhook, _apply, WebhookEvent, now=now)


def _apply(gateway: str, event: WebhookEvent, now: datetime) -> bool:
    """Apply a webhook to its payment; return False if the payment or the refund is unknown."""
    found = Payment.objects.filter(pk=event.payment_id, method=gateway).first()
    # Webhooks of the platform's own account name no account.
    if found is None or event.account not in (None, found.account):
        return False
    payment = selectors.get_for_update(event.payment_id)
    if event.refund_result:
        if not (refund := payment.find_refund(event.refund_id)):
            return False
        apply_refund_result(payment, refund, event.refund_result, now=now)
    elif result := event.payment_result:
        if result.gateway_payment_id != (payment.gateway_payment_id or result.gateway_payment_id):
            return False  # another payment at the gateway, with our id in its metadata
        if not payment.is_captured:
            _apply_payment_result(payment, result, now)
    if payment.due_at and not payment.needs_gateway_call():
        payment.finish_call()
    payment.save()
    return True


def _apply_payment_result(payment: Payment, result: PaymentResult, now: datetime) -> None:
    match result.state:
        case "succeeded" if result.card_last4 is None:
            # The gateway returns the card only when the payment is retrieved.
            payment.gateway_payment_id, payment.closed_at = result.gateway_payment_id, None
            payment.await_confirmation(now)
        case "processing":
            if not (payment.abandoned_at or payment.has_declined(result.charge_id)):
                payment.await_confirmation(now)
        case "succeeded" | "declined" | "cancelled":
            apply_payment_result(payment, result, now=now)
