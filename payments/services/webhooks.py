"""Webhooks of payment gateways: see `config.core.inbox`."""

import dataclasses
from datetime import datetime

from msgspec.structs import replace

from config.core import inbox
from payments import selectors
from payments.gateways import DisputeResult, PaymentResult, RefundResult, WebhookEvent
from payments.models import Dispute, GatewayWebhook, Payment
from payments.services import refunds
from payments.services.gateway_results import (
    apply_payment_result,
    apply_refund_result,
    has_declined,
    needs_call,
)


def receive_webhook(*, gateway: str, event: WebhookEvent) -> None:
    """Store a verified webhook and apply it, unless it was received before.

    A webhook of an unknown payment is stored, and tried again for three days.
    """
    if event.payment_result:
        paid = dataclasses.replace(event.payment_result, client_secret=None)
        event = dataclasses.replace(event, payment_result=paid)
    inbox.receive(GatewayWebhook, _apply, source=gateway, event=event)


def process_pending_webhooks(*, now: datetime) -> int:
    """Apply the webhooks that are due at `now`; return how many were due."""
    return inbox.process_pending(GatewayWebhook, _apply, WebhookEvent, now=now)


def _apply(gateway: str, event: WebhookEvent, now: datetime) -> bool:
    """Apply a webhook to its payment; return False if the payment or the refund is unknown."""
    if (payment_id := _payment_id(gateway, event)) is None:
        return False
    payment = selectors.get_for_update(payment_id)
    if not _apply_to(payment, event, now):
        return False
    if payment.due_at and not needs_call(payment):
        payment.finish_call()
    payment.save()
    return True


def _payment_id(gateway: str, event: WebhookEvent) -> str | None:
    """Return the id of the payment that a webhook is about, or None.

    Webhooks of the platform's own account name no account.
    """
    rows = Payment.objects.filter(method=gateway)
    if event.payment_id:
        rows = rows.filter(pk=event.payment_id)
    else:
        rows = rows.filter(gateway_payment_id=event.gateway_payment_id)
    found = _refunded_one(list(rows.order_by("id")), event.refund_result)
    return found.id if found and event.account in (None, found.account) else None


def _refunded_one(rows: list[Payment], result: RefundResult | None) -> Payment | None:
    """Return which of the payments with one id at the gateway a refund is of.

    A payment and its surplus have one id, and so has one to which the money moved. What is refunded
    there is first of the surplus. Anything else is about the payment that has the money now.
    """
    if len(rows) < 2 or not (result and result.amount):
        paying = [each for each in rows if each.applies_to_order]
        return next(reversed(paying or rows[:1]), None)
    known = [each for each in rows if selectors.find_refund(each, None, result.gateway_refund_id)]
    left = [each for each in reversed(rows) if each.refundable >= result.amount]
    return [*known, *left, *rows][0]


def _apply_to(payment: Payment, event: WebhookEvent, now: datetime) -> bool:
    if dispute := event.dispute_result:
        return _apply_dispute(payment, dispute)
    if result := event.refund_result:
        refund = selectors.find_refund(payment, event.refund_id, result.gateway_refund_id)
        if refund is None:
            is_ours = event.refund_id is not None
            return not is_ours and refunds.record_gateway_refund(payment, result, now=now)
        apply_refund_result(payment, refund, result, now=now)
    elif paid := event.payment_result:
        if paid.gateway_payment_id != (payment.gateway_payment_id or paid.gateway_payment_id):
            return False  # another payment at the gateway, with our id in its metadata
        if not payment.is_captured:
            _apply_payment_result(payment, paid, now)
    return True


def _apply_dispute(payment: Payment, result: DisputeResult) -> bool:
    """Open or end a dispute, whichever of its webhooks arrives first."""
    if not payment.is_captured:
        return False
    known = {each.id: each for each in payment.disputes}
    if (dispute := known.get(result.gateway_dispute_id)) is None:
        dispute = Dispute(
            id=result.gateway_dispute_id,
            amount=result.amount,
            currency=payment.settlement_currency,
            reason=result.reason[:100],
            opened_at=result.reported_at,
        )
        payment.dispute(dispute=dispute)
    if result.state != "open" and dispute.closed_at is None:
        ended = replace(dispute, status=result.state, closed_at=result.reported_at)
        payment.end_dispute(ended=ended)
    return True


def _apply_payment_result(payment: Payment, result: PaymentResult, now: datetime) -> None:
    if "authorized" in (payment.status, result.state) and result.state != "succeeded":
        _retrieve(payment, now)  # a late webhook may report a state before or after it
        return
    match result.state:
        case "succeeded" if result.card_last4 is None:
            # The gateway returns the card only when the payment is retrieved.
            payment.gateway_payment_id, payment.closed_at = result.gateway_payment_id, None
            _retrieve(payment, now)
        case "processing":
            if not (payment.abandoned_at or has_declined(payment, result.charge_id)):
                _retrieve(payment, now)
        case "succeeded" | "declined" | "cancelled":
            apply_payment_result(payment, result, now=now)


def _retrieve(payment: Payment, now: datetime) -> None:
    """A capture may be under way: block the order's expiry and call the gateway."""
    payment.blocks_expiry = True
    payment.request_call(now)
