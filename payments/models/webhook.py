"""What gateways have sent, so that each message has its effect once."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Webhook(models.Model):
    """One message of a gateway; while nobody knows its payment, it is kept and tried again.

    Of the message only what we use is kept, no secret and nothing of the customer.
    """

    gateway = models.CharField(max_length=16)
    event_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=64)
    notice = models.TextField()  # as JSON
    received_at = models.DateTimeField(default=timezone.now)
    handled_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # null once handled, or given up
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "event_id"], name="one_effect_per_webhook")
        ]
        indexes = [
            models.Index(fields=["due_at"], name="webhook_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["received_at"], name="webhook_received"),
            models.Index(
                fields=["-id"], name="webhook_unknown", condition=Q(handled_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"
