"""What other contexts' facts make payments do, the calls of gateways, and the timers."""

from celery import shared_task

from config.core.timers import moment
from payments import services


@shared_task
def call_gateway(payment_id: str) -> None:
    """Ask a gateway what is wanted of it now."""
    services.call_gateway(payment_id=payment_id)


@shared_task
def call_gateways(now: str | None = None) -> int:
    """Ask gateways what nobody has asked, or they have not answered; `now` is ISO 8601."""
    return services.call_due_gateways(now=moment(now))


@shared_task
def process_pending_webhooks(now: str | None = None) -> int:
    """Apply stored webhooks whose payment was unknown; `now` is ISO 8601."""
    return services.process_pending_webhooks(now=moment(now))
