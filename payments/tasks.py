"""Celery tasks of payments: calls of gateways, and pending webhooks."""

from celery import shared_task

from config.core import outbound
from config.core.timers import moment, when_due
from payments import selectors
from payments.services import gateway, webhooks


@shared_task
def call_gateway(payment_id: str, organization_id: str) -> None:
    """Make the gateway calls that are due about a payment.

    While the organization has no free slot, they are left to `call_gateways`.
    """
    with outbound.slot(organization_id) as is_free:
        if is_free:
            gateway.call_gateway(payment_id=payment_id)


@when_due(lambda now: selectors.due(now=now))
@shared_task
def call_gateways(now: str | None = None) -> int:
    """Make all gateway calls that are due, and retry those without a result; `now` is ISO 8601."""
    return gateway.call_due_gateways(now=moment(now))


@shared_task
def process_pending_webhooks(now: str | None = None) -> int:
    """Try again the stored webhooks whose payment was unknown; `now` is ISO 8601."""
    return webhooks.process_pending_webhooks(now=moment(now))
