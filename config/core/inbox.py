"""What others have sent us: each message has its effect once, and waits until it can have it."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from config.core.retry import doubled

logger = logging.getLogger(__name__)

# Before what a message is about is looked for again.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=3)
AT_ONCE = 1_000
KEPT = timedelta(days=30)  # against repeats


class KeptMessage(models.Model):
    """A message; while nobody knows what it is about, it is kept and tried again.

    Of it only what we use is kept, no secret and nothing of the customer.
    """

    event_id = models.CharField(max_length=255)  # the sender's
    notice = models.TextField()  # as JSON
    received_at = models.DateTimeField(default=timezone.now)
    handled_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # null once handled, or given up
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True

    def settle(self, *, is_handled: bool, now: datetime) -> None:
        """It has had its effect, or is tried again: after a minute, then later each time."""
        if is_handled:
            self.handled_at, self.due_at = now, None
        else:
            self.tries += 1
            is_hopeless = now > self.received_at + GIVEN_UP_AFTER
            pause = doubled(self.tries - 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
            self.due_at = None if is_hopeless else now + pause
        self.save()


def try_again(
    model: type[KeptMessage], handle: Callable[[Any, datetime], bool], *, now: datetime
) -> int:
    """Try again what is due at `now`, and forget what was handled long ago; return how many.

    `handle(message, now)` says whether what the message is about is known. One that fails must
    not keep the others waiting.
    """
    messages: models.Manager[Any] = model._default_manager
    due = messages.filter(due_at__lte=now).order_by("due_at").values_list("pk", flat=True)
    ids = list(due[:AT_ONCE])
    for message_id in ids:
        try:
            with transaction.atomic():
                free = messages.select_for_update(skip_locked=True)
                if message := free.filter(pk=message_id, due_at__lte=now).first():
                    message.settle(is_handled=handle(message, now), now=now)
        except Exception:
            logger.exception("The message %s of %s failed", message_id, model.__name__)
            messages.filter(pk=message_id).update(due_at=now + LONGEST_PAUSE)
    messages.filter(due_at=None, received_at__lt=now - KEPT).delete()
    return len(ids)
