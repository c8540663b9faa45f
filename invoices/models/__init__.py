"""The models of invoices."""

from invoices.models.invoice import Invoice
from invoices.models.parts import CreditNote, Document, InvoiceDelivery
from invoices.models.seller import Seller

__all__ = ["CreditNote", "Document", "Invoice", "InvoiceDelivery", "Seller"]
