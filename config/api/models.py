"""The API's only table."""

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
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "subject", "method", "path", "key"],
                name="one_response_per_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.key}"
