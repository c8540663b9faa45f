"""The webhook inbox: every webhook is applied once, however often and in whatever order it arrives.

A context keeps a table of its own, a subclass of `InboundWebhook`. A webhook whose subject is not
known yet is stored and applied later: the webhook of a payment may arrive before the process that
created the payment has committed.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import msgspec
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from config.core.exceptions import BadMessage
from config.core.retry import back_off
from config.core.unit_of_work import unit_of_work

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
EXPIRY = timedelta(days=3)  # after which a webhook without a known subject is not tried again
BATCH_SIZE = 1_000
LONGEST_ID = 255


class InboundWebhook(models.Model):
    """A verified webhook, reduced to the fields that are used: no secrets, no customer data."""

    source = models.CharField(max_length=16)  # the gateway or carrier that sent it
    event_id = models.CharField(max_length=LONGEST_ID)  # the sender's
    subject = models.CharField(max_length=255)  # the sender's name for what the event is about
    payload = models.TextField()  # the event, as JSON; blank once it is applied
    received_at = models.DateTimeField(default=timezone.now)
    applied_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # of the next attempt; null if applied or expired
    attempts = models.PositiveIntegerField(default=0)  # that did not find the subject

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["source", "event_id"], name="%(app_label)s_one_effect_per_webhook"
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="%(app_label)s_webhook_due",
                condition=Q(due_at__isnull=False),
            ),
            models.Index(fields=["received_at"], name="%(app_label)s_webhook_received"),
            models.Index(
                fields=["-id"],
                name="%(app_label)s_webhook_pending",
                condition=Q(applied_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}"

    def record_attempt(self, *, is_applied: bool, now: datetime) -> None:
        """Save the outcome: applied, or tried again after a pause that doubles each time.

        An applied webhook is kept only to recognize its repetitions, so its content is deleted.
        """
        if is_applied:
            self.applied_at, self.due_at, self.payload = now, None, ""
        else:
            self.attempts += 1
            is_expired = now > self.received_at + EXPIRY
            pause = back_off(self.attempts - 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
            self.due_at = None if is_expired else now + pause
        self.save()


class InboundEvent(Protocol):
    """The event of a webhook: a dataclass that msgspec can encode."""

    @property
    def event_id(self) -> str: ...

    @property
    def subject(self) -> str: ...


E = TypeVar("E", bound=InboundEvent)
# Called with the source, the event and the time; returns False if the subject is not known.
Apply = Callable[[str, E, datetime], bool]


@contextmanager
def parsing(sender: str) -> Iterator[None]:
    """Raise BadMessage for any error that content can cause that is not as its sender documents."""
    try:
        yield
    except (
        *(ArithmeticError, AttributeError, LookupError, OSError),  # OSError: a time out of range
        *(RecursionError, TypeError, ValueError, msgspec.MsgspecError),
    ) as error:
        raise BadMessage(f"This is not an event of {sender}: {error!r:.200}.") from error


@unit_of_work()
def receive(model: type[InboundWebhook], apply: Apply[E], *, source: str, event: E) -> None:
    """Store a verified webhook and apply it, unless it was received before. Raises BadMessage."""
    payload = _payload(event)
    webhooks: models.Manager[Any] = model._default_manager
    webhook, is_new = webhooks.get_or_create(
        source=source,
        event_id=event.event_id,
        defaults={"subject": event.subject[:255], "payload": payload},
    )
    if is_new:
        now = timezone.now()
        webhook.record_attempt(is_applied=apply(source, event, now), now=now)


def store(model: type[InboundWebhook], *, source: str, event: InboundEvent, now: datetime) -> None:
    """Store an event of our own that a transaction of its own applies, from `now` on."""
    webhooks: models.Manager[Any] = model._default_manager
    given = {"subject": event.subject[:255], "payload": _payload(event), "due_at": now}
    webhooks.get_or_create(source=source, event_id=event.event_id, defaults=given)


def _payload(event: InboundEvent) -> str:
    """Return the event as JSON, if its fields have their types and can be stored."""
    with parsing("the sender"):
        text = msgspec.json.encode(event).decode()
        msgspec.json.decode(text, type=type(event))
    if "\\u0000" in text or len(event.event_id) > LONGEST_ID:
        raise BadMessage("A field of the event is too long, or contains a NUL character.")
    return text


def process_pending(
    model: type[InboundWebhook], apply: Apply[E], event_type: type[E], *, now: datetime
) -> int:
    """Apply the webhooks that are due at `now` and delete old ones; return how many were due.

    A webhook that raises an exception does not keep the others waiting.
    """
    webhooks: models.Manager[Any] = model._default_manager
    due = webhooks.filter(due_at__lte=now).order_by("due_at").values_list("pk", flat=True)
    ids = list(due[:BATCH_SIZE])
    for webhook_id in ids:
        try:
            with unit_of_work():
                free = webhooks.select_for_update(skip_locked=True)
                if webhook := free.filter(pk=webhook_id, due_at__lte=now).first():
                    event = msgspec.json.decode(webhook.payload, type=event_type)
                    is_applied = apply(webhook.source, event, now)
                    webhook.record_attempt(is_applied=is_applied, now=now)
        except Exception:
            logger.exception("%s %s could not be applied", model.__name__, webhook_id)
            webhooks.filter(pk=webhook_id).update(due_at=now + LONGEST_PAUSE)
    kept = timedelta(days=settings.WEBHOOKS_KEEP_DAYS)  # while a repeated webhook is recognized
    webhooks.filter(due_at=None, received_at__lt=now - kept).delete()
    return len(ids)
