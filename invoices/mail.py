"""The invoice by e-mail."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from invoices import files
from invoices.models import Document, InvoiceDelivery


def send(delivery: InvoiceDelivery) -> str:
    """Mail the invoice with its PDF; return the URL that the mail names.

    Raises smtplib's errors, and OSError where the server is away.
    """
    invoice = delivery.invoice
    document = Document.objects.get(invoice=invoice, credit_note=None)
    url = files.signed_url(document)
    message = EmailMessage(
        subject=f"Invoice {invoice.number}",
        body=render_to_string("invoices/mail.txt", {"invoice": invoice, "url": url}),
        to=[delivery.recipient_email],
        reply_to=[invoice.seller["email"]] if invoice.seller.get("email") else None,
        # A server that got it from a killed run may recognize it.
        headers={"Message-ID": f"<{delivery.id}@{urlsplit(settings.PUBLIC_URL).hostname}>"},
    )
    message.attach(f"{invoice.number}.pdf", files.read(document), "application/pdf")
    message.send()
    return url
