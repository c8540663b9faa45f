"""Sending an invoice by mail."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from invoices import files
from invoices.models import Document, InvoiceDelivery


def send(delivery: InvoiceDelivery) -> str:
    """Send the invoice with its PDF; return the signed URL that the mail contains.

    Raises an error of smtplib if the server refuses the mail, OSError if it does not respond.
    """
    invoice = delivery.invoice
    document = Document.objects.get(invoice=invoice, credit_note=None)
    url = files.signed_url(document)
    message = EmailMessage(
        subject=f"Invoice {invoice.number}",
        body=render_to_string("invoices/mail.txt", {"invoice": invoice, "url": url}),
        to=[delivery.recipient_email],
        reply_to=[invoice.seller["email"]] if invoice.seller.get("email") else None,
        # The same on every attempt, so that servers can recognize a duplicate.
        headers={"Message-ID": f"<{delivery.id}@{urlsplit(settings.PUBLIC_URL).hostname}>"},
    )
    message.attach(f"{invoice.number}.pdf", files.read(document), "application/pdf")
    message.send()
    return url
