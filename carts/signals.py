"""Saving a cart publishes its events."""

from django.db.models.signals import post_save
from django.dispatch import receiver

from carts.models import Cart
from events import outbox


@receiver(post_save, sender=Cart, dispatch_uid="carts.write_to_outbox")
def write_to_outbox(instance: Cart, raw: bool, **kwargs: object) -> None:
    """Append the cart's new events to the outbox; `events.tasks.relay` publishes them."""
    if not raw:
        outbox.write(instance)
