"""The carts' timers."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from carts import services


@shared_task
def abandon_idle_carts(now: str | None = None, organization_id: str | None = None) -> int:
    """Abandon idle carts; `now` is ISO 8601."""
    return services.abandon_idle_carts(now=_moment(now), organization_id=organization_id)


@shared_task
def expire_idle_carts(now: str | None = None, organization_id: str | None = None) -> int:
    """Expire carts that nobody will come back for; `now` is ISO 8601."""
    return services.expire_idle_carts(now=_moment(now), organization_id=organization_id)


def _moment(now: str | None) -> datetime:
    return datetime.fromisoformat(now) if now else timezone.now()
