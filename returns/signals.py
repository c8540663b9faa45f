"""A saved return hands its events to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from returns.models import Return


@receiver(post_save, sender=Return, dispatch_uid="returns.write_to_outbox")
def write_to_outbox(instance: Return, raw: bool, **kwargs: Any) -> None:
    """Append the return's new events to the outbox; `events.tasks.relay` publishes them."""
    if not raw:
        outbox.write(instance)
