"""Celery tasks of the API."""

from celery import shared_task

from config.api.idempotency import RETENTION
from config.api.models import IdempotencyRecord, Revocation
from config.core.timers import moment

BATCH_SIZE = 1000  # rows per transaction, to keep locks short


@shared_task
def delete_old_records(now: str | None = None) -> int:
    """Delete expired idempotency records and revocations; return how many of the former.

    `now` is ISO 8601.
    """
    Revocation.objects.filter(expires_at__lt=moment(now)).delete()
    until = moment(now) - RETENTION
    old = IdempotencyRecord.objects.filter(created_at__lt=until)
    total = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH_SIZE]):
        deleted, _ = IdempotencyRecord.objects.filter(pk__in=ids).delete()
        total += deleted
    return total
