"""The Celery tasks of orders."""

from celery import shared_task

from config.core.timers import moment
from orders.services import lifecycle


@shared_task
def hold_unreserved_orders(now: str | None = None, organization_id: str | None = None) -> int:
    """Hold paid orders that Inventory has not reserved in time; return how many.

    `now` is ISO 8601, and the current time by default.
    """
    return lifecycle.hold_unreserved_orders(now=moment(now), organization_id=organization_id)


@shared_task
def expire_unpaid_orders(now: str | None = None, organization_id: str | None = None) -> int:
    """Cancel unpaid orders whose reservation has expired; return how many.

    `now` is ISO 8601, and the current time by default.
    """
    return lifecycle.expire_unpaid_orders(now=moment(now), organization_id=organization_id)


@shared_task
def expire_pending_orders(now: str | None = None, organization_id: str | None = None) -> int:
    """Cancel orders that were not placed within their organization's days; return how many.

    `now` is ISO 8601, and the current time by default.
    """
    return lifecycle.expire_pending_orders(now=moment(now), organization_id=organization_id)


@shared_task
def erase_old_orders(now: str | None = None) -> int:
    """Erase the personal data of orders after PERSONAL_DATA_KEEP_DAYS; return how many.

    `now` is ISO 8601, and the current time by default.
    """
    return lifecycle.erase_old_orders(now=moment(now))
