"""What follows after a save: the invoice's events are published, its documents are delivered."""

from collections.abc import Iterable
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


@receiver(post_save, sender=Invoice, dispatch_uid="invoices.send_new_mail")
def send_new_mail(instance: Invoice, created: bool, raw: bool, **kwargs: Any) -> None:
    """Enqueue `invoices.tasks.send_mails` for a mail that was saved with its invoice."""
    if not (created or raw):
        _send(instance, Invoice.deliveries.loaded(instance))


@receiver(post_save, sender=InvoiceDelivery, dispatch_uid="invoices.send_mail")
def send_mail(instance: InvoiceDelivery, raw: bool, **kwargs: Any) -> None:
    """Enqueue `invoices.tasks.send_mails` for a mail that is due, if its PDF is rendered."""
    if not raw:
        _send(instance.invoice, [instance])


@receiver(post_save, sender=Document, dispatch_uid="invoices.render_document")
def render_document(instance: Document, raw: bool, **kwargs: Any) -> None:
    """Enqueue `invoices.tasks.render_documents`, and the mails that wait for the PDF."""
    if raw:
        return
    if _is_due(instance):
        notify.enqueue(tasks.render_documents)
    elif instance.rendered_at:
        notify.enqueue(tasks.send_mails)


def _send(invoice: Invoice, deliveries: Iterable[InvoiceDelivery]) -> None:
    due = {delivery.credit_note_id for delivery in deliveries if _is_due(delivery)}
    if due and any(
        document.rendered_at and document.credit_note_id in due
        for document in invoice.documents.all()
    ):
        notify.enqueue(tasks.send_mails)


def _is_due(row: Document | InvoiceDelivery) -> bool:
    return row.due_at is not None and row.due_at <= timezone.now()
