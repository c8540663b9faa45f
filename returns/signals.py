"""Write a saved return's events to the outbox."""

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from returns.models import Return


@receiver(post_save, sender=Return, dispatch_uid="returns.write_to_outbox")
def write_to_outbox(instance: Return, raw: bool, **kwargs: object) -> None:
    """Append the new events to the outbox; `events.tasks.relay` publishes them after commit."""
    if not raw:
        outbox.write(instance)
