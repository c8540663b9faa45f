"""A saved fulfillment hands its facts to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from fulfillment.models import Fulfillment


@receiver(post_save, sender=Fulfillment, dispatch_uid="fulfillment.hand_over_facts")
def hand_over_facts(instance: Fulfillment, raw: bool, **kwargs: Any) -> None:
    if not raw:
        outbox.put(instance)
