"""What follows after a save: the invoice's events are published, its documents are delivered."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone

from events import outbox
from events.delivery import notify
from invoices import tasks
from invoices.models import Document, Invoice, InvoiceDelivery


@receiver(post_save, sender=Invoice, dispatch_uid="invoices.write_to_outbox")
def write_to_outbox(instance: Invoice, raw: bool, **kwargs: Any) -> None:
    """Append the invoice's new events to the outbox; `events.tasks.relay` publishes them."""
    if not raw:
        outbox.write(instance)


@receiver(post_save, sender=Invoice, dispatch_uid="invoices.deliver_new_mail")
def deliver_new_mail(instance: Invoice, created: bool, raw: bool, **kwargs: Any) -> None:
    """Enqueue `invoices.tasks.deliver_documents` for a mail that was saved with its invoice."""
    if not (created or raw):
        for delivery in instance.deliveries:
            deliver_documents(delivery, raw)


@receiver(post_save, sender=Document, dispatch_uid="invoices.deliver_document")
@receiver(post_save, sender=InvoiceDelivery, dispatch_uid="invoices.deliver_mail")
def deliver_documents(instance: Document | InvoiceDelivery, raw: bool, **kwargs: Any) -> None:
    """Enqueue `invoices.tasks.deliver_documents`, which renders the PDF or sends the mail."""
    if instance.due_at and instance.due_at <= timezone.now() and not raw:
        notify.enqueue(tasks.deliver_documents)
