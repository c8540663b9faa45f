"""A saved order hands its facts to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from orders.models import Order


@receiver(post_save, sender=Order, dispatch_uid="orders.hand_over_facts")
def hand_over_facts(instance: Order, raw: bool, **kwargs: Any) -> None:
    if not raw:
        outbox.put(instance)
