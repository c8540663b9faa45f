"""What the API's table needs now and then."""

from celery import shared_task

from config.api.idempotency import KEPT
from config.api.models import IdempotencyRecord
from config.core.timers import moment

BATCH = 1000  # rows per transaction, so that no lock is held for long


@shared_task
def delete_old_records(now: str | None = None) -> int:
    """Forget answers that nobody may ask for any more; returns how many. `now` is ISO 8601."""
    until = moment(now) - KEPT
    old = IdempotencyRecord.objects.filter(created_at__lt=until)
    total = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        deleted, _ = IdempotencyRecord.objects.filter(pk__in=ids).delete()
        total += deleted
    return total
