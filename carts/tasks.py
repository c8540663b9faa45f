"""The Celery tasks of carts. `now` is ISO 8601, and the current time by default."""

from celery import shared_task

from carts import services
from config.core.timers import moment


@shared_task
def abandon_idle_carts(now: str | None = None, organization_id: str | None = None) -> int:
    """Abandon carts that are idle for their organization's threshold; return how many."""
    return services.abandon_idle_carts(now=moment(now), organization_id=organization_id)


@shared_task
def expire_idle_carts(now: str | None = None, organization_id: str | None = None) -> int:
    """Expire carts that are idle for CART_EXPIRED_AFTER; return how many."""
    return services.expire_idle_carts(now=moment(now), organization_id=organization_id)
