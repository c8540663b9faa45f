"""The events of invoices: those of the contract in its order, then the internal ones."""

from typing import Annotated

from msgspec import Meta

from events.schema import Event, Id, Money, Personal, Timestamp, event


@event("invoice.created", version="1.0", moment="issued_at")
class InvoiceCreated(Event):
    """An invoice of a confirmed order was issued. `total_amount` is the order's total.

    An invoice to a wrong buyer is cancelled, and issued anew: the latest one of an order counts.
    """

    invoice_id: Id
    order_id: Id
    invoice_number: str
    total_amount: Money
    issued_at: Timestamp


@event("invoice.sent", version="1.0", moment="sent_at")
class InvoiceSent(Event):
    """The mail server accepted a mail with the invoice. Every resend publishes the event again."""

    invoice_id: Id
    recipient_email: Annotated[Personal | None, Meta(description="Null if it was erased.")]
    pdf_url: str
    sent_at: Timestamp


@event("invoice.queued", published=False)
class InvoiceQueued(Event):
    """A mail with the invoice was queued."""

    invoice_id: Id
    order_id: Id
    delivery_id: Id
    recipient_email: Annotated[Personal | None, Meta(description="Null if it was erased.")]


@event("invoice.links_revoked", published=False)
class InvoiceLinksRevoked(Event):
    """All links to the invoice and its credit notes were revoked."""

    invoice_id: Id
    order_id: Id


@event("credit_note.issued", moment="issued_at", published=False)
class CreditNoteIssued(Event):
    """A credit note was issued for a refund, or to cancel an invoice. `amount` includes tax."""

    credit_note_id: Id
    credit_note_number: str
    invoice_id: Id
    order_id: Id
    refund_id: Annotated[Id | None, Meta(description="Null if it cancels the invoice.")]
    amount: Money
    currency: str
    reason: str
    issued_at: Timestamp


@event("invoice.replaced", published=False)
class InvoiceReplaced(Event):
    """An invoice to a wrong buyer was cancelled by a credit note, and issued anew."""

    invoice_id: Id
    order_id: Id
    replaced_by: Id
    credit_note_id: Id


@event("credit_note.queued", published=False)
class CreditNoteQueued(Event):
    """A mail with a credit note was queued."""

    credit_note_id: Id
    invoice_id: Id
    order_id: Id
    delivery_id: Id
    recipient_email: Annotated[Personal | None, Meta(description="Null if it was erased.")]


@event("credit_note.sent", moment="sent_at", published=False)
class CreditNoteSent(Event):
    """The mail server accepted a mail with a credit note."""

    credit_note_id: Id
    invoice_id: Id
    order_id: Id
    recipient_email: Annotated[Personal | None, Meta(description="Null if it was erased.")]
    sent_at: Timestamp


@event("invoice.anonymized", moment="anonymized_at", published=False)
class InvoiceAnonymized(Event):
    """The buyer and the PDFs of an old invoice were deleted. Its amounts stay."""

    invoice_id: Id
    order_id: Id
    anonymized_at: Timestamp
