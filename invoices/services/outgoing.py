"""Documents and mails: what is wanted, who is at it, and what came of it."""

from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from config.core.exceptions import DomainError
from invoices import selectors
from invoices.models import Document, Invoice, InvoiceDelivery
from invoices.models.outgoing import Wanted

W = TypeVar("W", bound=Wanted)
CLAIM = timedelta(minutes=5)  # longer than a mail takes; who takes longer was killed
FOR_A_MINUTE = timedelta(minutes=1)


class AddressRequired(DomainError):
    """Nobody knows where it is to go."""

    code = "address_required"


@transaction.atomic
def queue_invoice(*, invoice_id: str) -> None:
    """Have a new invoice rendered, and mailed if the buyer has an address."""
    if Invoice.objects.get(pk=invoice_id).customer_email:
        send_invoice(invoice_id=invoice_id)
    queue_document(invoice_id=invoice_id)


@transaction.atomic
def queue_document(*, invoice_id: str, credit_note_id: str | None = None) -> Document:
    """Have the PDF of an invoice, or of its credit note, rendered."""
    document, _ = Document.objects.get_or_create(
        invoice_id=invoice_id, credit_note_id=credit_note_id
    )
    return document


@transaction.atomic
def send_invoice(*, invoice_id: str, recipient_email: str | None = None) -> Invoice:
    """Queue a mail with the invoice, to the buyer's address where none is given.

    One that is queued to the same address already is tried again at once. Raises
    AddressRequired.
    """
    invoice, now = selectors.lock(invoice_id), timezone.now()
    recipient = recipient_email or invoice.customer_email
    if recipient is None:
        raise AddressRequired("Give a recipient_email: the order has no customer_email.")
    queued = (m for m in invoice.mails if m.recipient_email == recipient and not m.sent_at)
    if mail := next(queued, None):
        if mail.due_at is None or mail.due_at > now + CLAIM:  # else somebody may be at it
            mail.hurry(at=now)
            mail.save()
    else:
        invoice.send(recipient_email=recipient, at=now)
        invoice.save()
    return invoice


@transaction.atomic
def claim(due: QuerySet[W], *, now: datetime) -> W | None:
    """Take the first that is due, so that no other worker does for a while."""
    row = due.select_for_update(no_key=True, skip_locked=True, of=("self",)).first()
    if row:
        row.due_at = now + CLAIM
        row.save(update_fields=["due_at"])
    return row


@transaction.atomic
def record_rendering(*, document_id: str, path: str, sha256: str, at: datetime) -> None:
    """The PDF is stored."""
    document = Document.objects.select_for_update(no_key=True).get(pk=document_id)
    if document.rendered_at is None:
        document.path, document.sha256, document.rendered_at = path, sha256, at
        document.due_at, document.last_error = None, ""
        document.save()


@transaction.atomic
def record_delivery(*, delivery_id: str, pdf_url: str, at: datetime) -> None:
    """The mail server has accepted the mail."""
    mail = InvoiceDelivery.objects.get(pk=delivery_id)
    invoice = selectors.lock(mail.invoice_id)
    mail = next(each for each in invoice.mails if each.id == delivery_id)
    if mail.sent_at is None:
        invoice.deliver(mail=mail, pdf_url=pdf_url, at=at)
        invoice.save()


@transaction.atomic
def put_off(wanted: Wanted, *, error: str, at: datetime, is_refused: bool = False) -> None:
    """It could not be done now: try again later, and let operators see why."""
    row = type(wanted)._default_manager.select_for_update(no_key=True).get(pk=wanted.pk)
    if row.due_at is not None:
        row.put_off(error, at=at, is_refused=is_refused)
        row.save(update_fields=["due_at", "attempts", "last_error"])


@transaction.atomic
def hold_back(due: QuerySet[W], *, error: str, at: datetime) -> None:
    """The server is away: it is not asked anew for each of what else is due, for a minute."""
    # Rows that another worker has are skipped, so that two who hold back do not deadlock.
    free = due.select_related(None).select_for_update(no_key=True, skip_locked=True)
    rows = due.model._default_manager.filter(pk__in=free.values("pk"))
    rows.update(due_at=at + FOR_A_MINUTE, last_error=error[:2000])
