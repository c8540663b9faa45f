"""Write a saved fulfillment's events to the outbox."""

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from fulfillment.models import Fulfillment


@receiver(post_save, sender=Fulfillment, dispatch_uid="fulfillment.write_to_outbox")
def write_to_outbox(instance: Fulfillment, raw: bool, **kwargs: object) -> None:
    """Append the new events to the outbox; `events.tasks.relay` publishes them after commit."""
    if not raw:
        outbox.write(instance)
