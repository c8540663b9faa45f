"""Celery tasks of the API."""

from datetime import datetime

from celery import shared_task
from django.db import transaction

from config.api.idempotency import retention
from config.api.models import IdempotencyRecord, RequestCount, Revocation
from config.core.timers import moment

BATCH_SIZE = 1000  # rows per transaction, to keep locks short


@shared_task
def delete_old_records(now: str | None = None) -> int:
    """Delete expired idempotency records, revocations and counts; return how many of the first.

    `now` is ISO 8601.
    """
    _delete_ended_counts(moment(now))
    Revocation.objects.filter(expires_at__lt=moment(now)).delete()
    until = moment(now) - retention()
    old = IdempotencyRecord.objects.filter(created_at__lt=until)
    total = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH_SIZE]):
        deleted, _ = IdempotencyRecord.objects.filter(pk__in=ids).delete()
        total += deleted
    return total


def _delete_ended_counts(now: datetime) -> None:
    """Delete those that no process is updating, because the two could deadlock."""
    with transaction.atomic():
        ended = RequestCount.objects.select_for_update(skip_locked=True).filter(ends_at__lt=now)
        RequestCount.objects.filter(pk__in=ended.values("pk")).delete()
