"""What invoices tell other services, in the contract's order."""

from events.schema import Event, Id, Money, Timestamp, event


@event("invoice.created", moment="issued_at")
class InvoiceCreated(Event):
    """The sale is billed, with the order's total to the cent."""

    invoice_id: Id
    order_id: Id
    invoice_number: str
    total_amount: Money
    issued_at: Timestamp


@event("invoice.sent", moment="sent_at")
class InvoiceSent(Event):
    """The mail server has accepted the invoice; again on every resend."""

    invoice_id: Id
    recipient_email: str
    pdf_url: str
    sent_at: Timestamp
