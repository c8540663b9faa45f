"""The log of events, and the work that is pending because of them.

README.md in this package explains the tables and their counters.
"""

from django.db import models
from django.db.models.functions import Cast, Now
from django.utils import timezone

from config.core.ids import PublicIdField


class Stream(models.Model):
    """The events of one order or one cart, and the last sequence number given out in it.

    The row stays when retention removes the events. Later events continue its numbers.
    """

    key = models.CharField(max_length=64, primary_key=True)
    sequence = models.BigIntegerField()
    # A date, so that most updates change no index. Null: the log has no event of the stream.
    last_on = models.DateField(null=True, db_default=Cast(Now(), models.DateField()), db_index=True)
    removed_at = models.DateTimeField(null=True)
    removed_through = models.BigIntegerField(db_default=0)  # the last sequence that was removed

    class Meta:
        permissions = [
            ("export_customer", "Can export what is held about a customer"),
            ("erase_customer", "Can erase the personal data of a customer"),
        ]


class EventRecord(models.Model):
    """An event, published or internal. Its body is the exact text of the message.

    Only the erasure of personal data changes a body: see `events.operations.people`.

    Foreign keys to this table have no constraint in the database (`db_constraint=False`): each is
    written in the transaction that wrote or read the event, and checking it again would add a
    quarter to the cost of recording.
    """

    number = models.BigAutoField(primary_key=True)  # ascends within a stream
    id = PublicIdField("evt", primary_key=False)
    organization_id = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    version = models.CharField(max_length=8)
    stream = models.CharField(max_length=64)
    sequence = models.BigIntegerField(null=True)  # within the stream; null for internal events
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())  # before the wait for the stream's lock
    subject = models.CharField(max_length=64)  # the id of the aggregate
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
            models.Index(fields=["organization_id", "number"], name="event_organization"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"

    def to_log(self) -> dict[str, str]:
        """Return the fields that a log line about the event carries."""
        return {
            "event_id": self.id,
            "stream": self.stream,
            "organization_id": self.organization_id,
        }


class PendingWork(models.Model):
    """Work that is retried with back-off until it succeeds, or parked for an operator."""

    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    parked_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="")

    event: models.ForeignKey[EventRecord, EventRecord]

    class Meta:
        abstract = True

    @property
    def organization_id(self) -> str:
        """The organization that the event belongs to."""
        return self.event.organization_id


class Outbox(PendingWork):
    """A message that the broker has not confirmed yet. Its confirm turns it into a Publication."""

    event = models.OneToOneField(
        EventRecord, models.PROTECT, primary_key=True, related_name="outbox", db_constraint=False
    )
    stream = models.CharField(max_length=64)
    shard = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = "pending message"
        indexes = [
            models.Index(fields=["shard", "event"], name="outbox_pending"),
            models.Index(
                fields=["shard", "stream"],
                name="outbox_delayed",
                condition=models.Q(not_before__isnull=False) | models.Q(parked_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.event)


class Publication(models.Model):
    """An event that the broker has confirmed. Positions become visible in ascending order."""

    position = models.BigAutoField(primary_key=True)
    event = models.OneToOneField(
        EventRecord, models.PROTECT, related_name="publication", db_constraint=False
    )
    organization_id = models.CharField(max_length=64)
    published_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["organization_id", "position"], name="publication_cursor")]


class Reaction(PendingWork):
    """A reaction to an event that is deferred, has failed, or waits for one that has failed.

    The transaction that runs it deletes the row.
    """

    event = models.ForeignKey(
        EventRecord, models.PROTECT, related_name="reactions", db_index=False, db_constraint=False
    )
    reaction = models.CharField(max_length=128)
    stream = models.CharField(max_length=64)
    context = models.CharField(max_length=32)
    notified_at = models.DateTimeField(null=True)  # when the sweep last enqueued its task

    class Meta:
        verbose_name = "pending reaction"
        constraints = [
            models.UniqueConstraint(fields=["event", "reaction"], name="one_reaction_per_event")
        ]
        indexes = [models.Index(fields=["stream", "context", "id"], name="reaction_pending")]

    def __str__(self) -> str:
        return f"{self.reaction} on {self.event}"


class AuditEntry(models.Model):
    """Work on the log as a whole: who started it, and its result.

    The row is written before the work begins, so an interrupted run shows as unfinished. A run
    without `begun_at` waits for a worker.
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
            models.Index(fields=["id"], name="audit_requested", condition=models.Q(begun_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.id}"
