"""A saved invoice hands its facts to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from invoices.models import Invoice


@receiver(post_save, sender=Invoice, dispatch_uid="invoices.hand_over_facts")
def hand_over_facts(instance: Invoice, raw: bool, **kwargs: Any) -> None:
    if not raw:
        outbox.put(instance)
