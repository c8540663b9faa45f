"""What carriers have sent, so that each message has its effect once."""

from django.db import models
from django.db.models import Q

from config.core.inbox import KeptMessage


class CarrierWebhook(KeptMessage):
    """One message of a carrier, about a parcel."""

    adapter = models.CharField(max_length=16)
    tracking_number = models.CharField(max_length=64)

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
