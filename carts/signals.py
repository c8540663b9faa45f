"""A saved cart hands its facts to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from carts.models import Cart
from events import outbox


@receiver(post_save, sender=Cart, dispatch_uid="carts.hand_over_facts")
def hand_over_facts(instance: Cart, raw: bool, **kwargs: Any) -> None:
    if not raw:
        outbox.put(instance)
