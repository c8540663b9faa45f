"""Saving an order publishes its events."""

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from orders.models import Order


@receiver(post_save, sender=Order, dispatch_uid="orders.write_to_outbox")
def write_to_outbox(instance: Order, raw: bool, **kwargs: object) -> None:
    """Append the order's new events to the outbox; `events.tasks.relay` publishes them."""
    if not raw:
        outbox.write(instance)
