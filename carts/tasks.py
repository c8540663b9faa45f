"""The carts' timers."""

from celery import shared_task

from carts import services
from config.core.timers import moment


@shared_task
def abandon_idle_carts(now: str | None = None, organization_id: str | None = None) -> int:
    """Abandon idle carts; `now` is ISO 8601."""
    return services.abandon_idle_carts(now=moment(now), organization_id=organization_id)


@shared_task
def expire_idle_carts(now: str | None = None, organization_id: str | None = None) -> int:
    """Expire carts that nobody will come back for; `now` is ISO 8601."""
    return services.expire_idle_carts(now=moment(now), organization_id=organization_id)
