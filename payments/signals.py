"""After a payment is saved: its events go to the outbox, and its gateway is called."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from events import outbox
from events.delivery import notify
from payments import tasks
from payments.models import Payment


@receiver(post_save, sender=Payment, dispatch_uid="payments.write_to_outbox")
def write_to_outbox(instance: Payment, raw: bool, **kwargs: Any) -> None:
    """Append the payment's new events to the outbox; `events.tasks.relay` publishes them."""
    if not raw:
        outbox.write(instance)


@receiver(post_save, sender=Payment, dispatch_uid="payments.call_gateway")
def call_gateway(instance: Payment, raw: bool, **kwargs: Any) -> None:
    """Enqueue `payments.tasks.call_gateway` for a call that is requested and not leased."""

    def enqueue() -> None:
        if instance.due_at and not instance.calls:  # still, at the commit
            notify.enqueue(tasks.call_gateway, instance.id, instance.organization_id)

    if instance.due_at and not raw:
        transaction.on_commit(enqueue, robust=True)
