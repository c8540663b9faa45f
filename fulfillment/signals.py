"""A saved fulfillment hands its events to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from fulfillment.models import Fulfillment


@receiver(post_save, sender=Fulfillment, dispatch_uid="fulfillment.write_to_outbox")
def write_to_outbox(instance: Fulfillment, raw: bool, **kwargs: Any) -> None:
    """Append the fulfillment's new events to the outbox; `events.tasks.relay` publishes them."""
    if not raw:
        outbox.write(instance)
