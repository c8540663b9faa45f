"""Sending an invoice by mail."""

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
from django.template.loader import render_to_string

from invoices import files
from invoices.models import Document, InvoiceDelivery

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
    """Send the invoice with its PDF; return the signed URL that the mail contains.

    Raises one of `REFUSALS`, `SERVER_ERRORS` or another OSError.
    """
    invoice, recipient = delivery.invoice, delivery.recipient_email
    assert recipient, "an address is erased only after its mail was sent or given up"
    document = Document.objects.get(invoice=invoice, credit_note=None)
    url = files.signed_url(document)
    message = EmailMessage(
        subject=f"Invoice {invoice.number}",
        body=render_to_string("invoices/mail.txt", {"invoice": invoice, "url": url}),
        to=[recipient],
        reply_to=[invoice.seller["email"]] if invoice.seller.get("email") else None,
        # The same on every attempt, so that servers can recognize a duplicate.
        headers={"Message-ID": f"<{delivery.id}@{urlsplit(settings.PUBLIC_URL).hostname}>"},
    )
    message.attach(f"{invoice.number}.pdf", files.read(document), "application/pdf")
    message.send()
    return url
