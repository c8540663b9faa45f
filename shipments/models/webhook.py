"""What carriers have sent, so that each message has its effect once."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class CarrierWebhook(models.Model):
    """One message of a carrier; while nobody knows its parcel, it is kept and tried again.

    Of the message only what we use is kept.
    """

    adapter = models.CharField(max_length=16)
    event_id = models.CharField(max_length=255)
    tracking_number = models.CharField(max_length=64)
    notice = models.TextField()  # as JSON
    received_at = models.DateTimeField(default=timezone.now)
    handled_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # null once handled, or given up
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["adapter", "event_id"], name="one_effect_per_carrier_webhook"
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="carrier_webhook_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(fields=["received_at"], name="carrier_webhook_received"),
            models.Index(
                fields=["-id"], name="carrier_webhook_unknown", condition=Q(handled_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tracking_number} {self.event_id}"
