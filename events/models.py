"""The log of what happened, and what is owed because of it. The rows are the truth."""

from typing import Any

from django.db import models
from django.db.models.functions import Cast, Now
from django.utils import timezone

from config.core.ids import PublicIdField


class Stream(models.Model):
    """One order's or one cart's line of events, and the last number given out in it.

    Once its events are removed the row is their tombstone, and what happens later goes on from it.
    """

    key = models.CharField(max_length=64, primary_key=True)
    sequence = models.BigIntegerField()
    # A day, so that most updates change no index. Null: the log has nothing of it.
    last_on = models.DateField(null=True, db_default=Cast(Now(), models.DateField()), db_index=True)
    removed_at = models.DateTimeField(null=True)
    removed_through = models.BigIntegerField(db_default=0)  # the last number that was removed


class EventRecord(models.Model):
    """A fact, published or internal. Its body is the exact text that goes out and never changes.

    The rows below are about one, made by the statement that reads it or in its transaction. That
    the database looks for it again would cost a quarter of recording it: db_constraint is off.
    """

    number = models.BigAutoField(primary_key=True)  # ascending within a stream, internal facts too
    id = PublicIdField("evt", primary_key=False)
    organization_id = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    version = models.CharField(max_length=8)
    stream = models.CharField(max_length=64)
    sequence = models.BigIntegerField(null=True)  # within the stream; null for internal facts
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())  # before it waited for its stream
    subject = models.CharField(max_length=64)  # the id of the row that the fact is about
    actor = models.CharField(max_length=150)
    request_id = models.CharField(max_length=64, null=True)
    traceparent = models.CharField(max_length=55, null=True)
    body = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["id"], name="one_event_per_id"),
            models.UniqueConstraint(fields=["stream", "sequence"], name="one_event_per_sequence"),
        ]
        indexes = [
            models.Index(fields=["stream", "number"], name="event_stream"),
            models.Index(fields=["name"], name="event_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"

    def to_log(self) -> dict[str, str]:
        """What a log line says of it."""
        return {
            "event_id": self.id,
            "stream": self.stream,
            "organization_id": self.organization_id,
        }


class Owed(models.Model):
    """Work that is tried until it is done, later after each failure, or parked for an operator."""

    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    parked_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="")

    event: Any

    class Meta:
        abstract = True

    @property
    def organization_id(self) -> str:
        """Whose work it is."""
        return str(self.event.organization_id)


class Outbox(Owed):
    """An event owed to the broker; becomes a Publication when the broker has confirmed it."""

    event = models.OneToOneField(
        EventRecord, models.PROTECT, primary_key=True, related_name="outbox", db_constraint=False
    )
    stream = models.CharField(max_length=64)
    shard = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = "owed message"
        indexes = [
            models.Index(fields=["shard", "event"], name="outbox_owed"),
            models.Index(
                fields=["shard", "stream"],
                name="outbox_held",
                condition=models.Q(not_before__isnull=False) | models.Q(parked_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.event)


class Publication(models.Model):
    """An event the broker has confirmed. Positions become visible in ascending order."""

    position = models.BigAutoField(primary_key=True)
    event = models.OneToOneField(
        EventRecord, models.PROTECT, related_name="publication", db_constraint=False
    )
    organization_id = models.CharField(max_length=64)
    published_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["organization_id", "position"], name="publication_cursor")]


class Reaction(Owed):
    """What one context still has to do about a fact; deleted in the transaction that does it."""

    event = models.ForeignKey(
        EventRecord, models.PROTECT, related_name="reactions", db_index=False, db_constraint=False
    )
    reaction = models.CharField(max_length=128)
    stream = models.CharField(max_length=64)
    context = models.CharField(max_length=32)
    nudged_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "owed reaction"
        constraints = [
            models.UniqueConstraint(fields=["event", "reaction"], name="one_reaction_per_event")
        ]
        indexes = [models.Index(fields=["stream", "context", "id"], name="reaction_owed")]

    def __str__(self) -> str:
        return f"{self.reaction} on {self.event}"


class AuditEntry(models.Model):
    """Work on the log as a whole: who wanted it, and what came of it.

    Written before it begins, so one that was killed is seen as unfinished. One that is not begun
    waits for a worker.
    """

    id = PublicIdField("run")
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=32)
    arguments = models.JSONField(default=dict)
    begun_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    result = models.TextField(default="")

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["id"], name="audit_wanted", condition=models.Q(begun_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.id}"
