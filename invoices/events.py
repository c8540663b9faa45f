"""What invoices tell other services, in the contract's order, and what they keep to themselves."""

from events.schema import Event, Id, Money, Timestamp, event


@event("invoice.created", version="1.0", moment="issued_at")
class InvoiceCreated(Event):
    """The sale is billed, with the order's total to the cent."""

    invoice_id: Id
    order_id: Id
    invoice_number: str
    total_amount: Money
    issued_at: Timestamp


@event("invoice.sent", version="1.0", moment="sent_at")
class InvoiceSent(Event):
    """The mail server has accepted the invoice; again on every resend."""

    invoice_id: Id
    recipient_email: str
    pdf_url: str
    sent_at: Timestamp


@event("invoice.queued", published=False)
class InvoiceQueued(Event):
    """A mail with the invoice is to go out."""

    invoice_id: Id
    delivery_id: Id
    recipient_email: str


@event("credit_note.issued", moment="issued_at", published=False)
class CreditNoteIssued(Event):
    """Money of the invoice has gone back; what is credited is no sale any more."""

    credit_note_id: Id
    credit_note_number: str
    invoice_id: Id
    refund_id: Id
    amount: Money
    currency: str
    reason: str
    issued_at: Timestamp
