"""A saved return hands its facts to the outbox."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from returns.models import Return


@receiver(post_save, sender=Return, dispatch_uid="returns.hand_over_facts")
def hand_over_facts(instance: Return, raw: bool, **kwargs: Any) -> None:
    if not raw:
        outbox.put(instance)
