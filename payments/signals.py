"""A saved payment hands its facts to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from payments.models import Payment


@receiver(post_save, sender=Payment, dispatch_uid="payments.hand_over_facts")
def hand_over_facts(instance: Payment, raw: bool, **kwargs: Any) -> None:
    if not raw:
        outbox.put(instance)
