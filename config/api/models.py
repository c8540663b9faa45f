"""The API's tables: stored responses, revoked tokens, and counted requests."""

import uuid

from django.db import models
from django.utils import timezone


class IdempotencyRecord(models.Model):
    """The stored response to a POST, which a client that repeats the request receives."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)  # null while the request is in progress
    body = models.TextField(default="")
    stream = models.CharField(max_length=64, default="")  # the order or cart that it is about
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "subject", "method", "path", "key"],
                name="one_response_per_key",
            )
        ]
        indexes = [
            models.Index(fields=["stream"], name="response_stream", condition=~models.Q(stream=""))
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.key}"


class Revocation(models.Model):
    """A token that is refused, or all of a subject's that were issued before `revoked_at`."""

    organization_id = models.CharField(max_length=64)
    jti = models.CharField(max_length=255, null=True)
    subject = models.CharField(max_length=64, null=True)
    revoked_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)  # since then the tokens have expired anyway

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "jti"],
                name="one_revocation_per_token",
                condition=models.Q(jti__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["organization_id", "subject"],
                name="one_revocation_per_subject",
                condition=models.Q(subject__isnull=False),
            ),
            models.CheckConstraint(
                condition=models.Q(jti=None) ^ models.Q(subject=None),
                name="revocation_of_a_token_or_a_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.jti or self.subject}"


class RequestCount(models.Model):
    """How many requests a caller has sent in its current window: see `config.api.counters`.

    On PostgreSQL the table is unlogged: a crash of the server only forgets the counts.
    """

    key = models.CharField(max_length=64, primary_key=True)
    ends_at = models.DateTimeField()
    total = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.key}: {self.total}"
