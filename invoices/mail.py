"""Sending invoices and credit notes by mail."""

from smtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from socket import gaierror
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

from config.pdf.language import Language
from invoices import documents, files
from invoices.models import CreditNote, Document, Invoice, InvoiceDelivery

# The server does not respond: every other mail would fail too.
SERVER_ERRORS = (
    ConnectionError,
    TimeoutError,
    gaierror,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPServerDisconnected,
)
REFUSALS = (SMTPRecipientsRefused, SMTPResponseException)  # of this mail


def send(delivery: InvoiceDelivery) -> str:
    """Send an invoice or a credit note as PDF; return the signed URL that the mail contains.

    Raises AddressNotSupported, one of `REFUSALS`, `SERVER_ERRORS` or another OSError.
    """
    invoice, recipient = delivery.invoice, delivery.recipient_email
    assert recipient, "an address is erased only after its mail was sent or given up"
    note = delivery.credit_note
    document = Document.objects.get(invoice=invoice, credit_note=note)
    url = files.signed_url(document)
    language = Language(documents.language_of(invoice))
    message = EmailMessage(
        subject=_subject(document, language),
        body=_body(invoice, note, language, url),
        to=[recipient],
        reply_to=[invoice.seller["email"]] if invoice.seller.get("email") else None,
        # The same on every attempt, so that servers can recognize a duplicate.
        headers={"Message-ID": f"<{delivery.id}@{urlsplit(settings.PUBLIC_URL).hostname}>"},
    )
    message.attach(f"{document.number}.pdf", files.read(document), "application/pdf")
    message.send()
    return url


def _subject(document: Document, language: Language) -> str:
    if document.credit_note:
        return language.text("Credit note {number}", number=document.number)
    return language.text("Invoice {number}", number=document.number)


def _body(invoice: Invoice, note: CreditNote | None, language: Language, url: str) -> str:
    text, name = language.text, invoice.buyer.get("name")
    order = {"order": invoice.order_number, "date": language.date(invoice.ordered_on)}
    if note:
        attached = text(
            "credit note {number} for invoice {invoice} is attached. It is about your order "
            "{order} of {date}.",
            number=note.number,
            invoice=invoice.number,
            **order,
        )
    else:
        attached = text(
            "invoice {number} for your order {order} of {date} is attached.",
            number=invoice.number,
            **order,
        )
    if not note and invoice.replaces:
        attached += " " + text("It replaces invoice {number}.", number=invoice.replaces.number)
    days = language.number(settings.DOCUMENT_LINK_DAYS)
    download = text("You can also download it here for the next {days} days:", days=days)
    paragraphs = [
        text("Hello {name},", name=name) if name else text("Hello,"),
        attached,
        f"{download}\n{url}",
        invoice.seller.get("name", ""),
    ]
    return "\n\n".join(paragraphs) + "\n"
