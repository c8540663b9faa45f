"""What invoices hold about a person. Issued documents stay as long as the law requires."""

from events.people import holds
from invoices.models import CreditNote, Document, Invoice, InvoiceDelivery

holds(Invoice, "order")
holds(CreditNote, "invoice__order")
holds(Document, "invoice__order", erase={"last_error": ""}, has_links=True)
holds(InvoiceDelivery, "invoice__order", erase={"recipient_email": None, "last_error": ""})
