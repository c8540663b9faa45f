"""What other contexts' facts make orders do, and the orders' timer."""

from celery import shared_task

from config.core.timers import moment
from orders import services


@shared_task
def expire_unpaid_orders(now: str | None = None, organization_id: str | None = None) -> int:
    """Cancel orders that nobody has paid in time; `now` is ISO 8601."""
    return services.expire_unpaid_orders(
        now=moment(now),
        organization_id=organization_id,
    )
