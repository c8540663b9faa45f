"""Invoices: the aggregate, its parts, and the organization's profile as a seller."""

from invoices.models.credit_note import CreditNote
from invoices.models.invoice import Invoice
from invoices.models.outgoing import Document, InvoiceDelivery
from invoices.models.seller import Seller

__all__ = ["CreditNote", "Document", "Invoice", "InvoiceDelivery", "Seller"]
