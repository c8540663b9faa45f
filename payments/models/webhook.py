"""What gateways have sent, so that each message has its effect once."""

from django.db import models
from django.db.models import Q

from config.core.inbox import KeptMessage


class Webhook(KeptMessage):
    """One message of a gateway, about a payment."""

    gateway = models.CharField(max_length=16)
    kind = models.CharField(max_length=64)

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
