"""A saved shipment hands its facts to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from shipments.models import Shipment


@receiver(post_save, sender=Shipment, dispatch_uid="shipments.hand_over_facts")
def hand_over_facts(instance: Shipment, raw: bool, **kwargs: Any) -> None:
    if not raw:
        outbox.put(instance)
