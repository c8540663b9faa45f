"""The orders' timer."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from orders import services


@shared_task
def expire_unpaid_orders(now: str | None = None, organization_id: str | None = None) -> int:
    """Cancel orders that nobody has paid in time; `now` is ISO 8601."""
    return services.expire_unpaid_orders(
        now=datetime.fromisoformat(now) if now else timezone.now(),
        organization_id=organization_id,
    )
