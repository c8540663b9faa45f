"""What the events of other contexts, and its own, make the invoices context do."""

import payments.selectors
from events.models import EventRecord
from events.reactions import reacts_to
from invoices import services
from invoices.events import CreditNoteIssued, InvoiceCreated
from orders.events import OrderConfirmed
from payments.events import RefundSucceeded


@reacts_to(OrderConfirmed, deferred=True)
def bill_confirmed_order(event: OrderConfirmed, about: EventRecord) -> None:
    """Issue the invoice of a confirmed order. An order that costs nothing gets one too."""
    services.issue_invoice(order_id=event.order_id)


@reacts_to(InvoiceCreated, deferred=True)
def queue_new_invoice(event: InvoiceCreated, about: EventRecord) -> None:
    """Queue the PDF of a new invoice and the mail to the buyer."""
    services.queue_document(invoice_id=event.invoice_id)


@reacts_to(RefundSucceeded, deferred=True)
def credit_refund(event: RefundSucceeded, about: EventRecord) -> None:
    """Issue a credit note for a refund, whatever its method.

    The refund of a payment that does not apply to the order, such as a second payment, is not
    credited: the money was never invoiced. Nor is one that was made before the confirmation.
    """
    if not payments.selectors.was_invoiced(event.refund_id):
        return
    services.issue_credit_note(
        order_id=event.order_id,
        refund_id=event.refund_id,
        amount=event.amount,
        currency=event.currency,
        reason=event.reason,
        parts=event.parts,
    )


@reacts_to(CreditNoteIssued, deferred=True)
def queue_new_credit_note(event: CreditNoteIssued, about: EventRecord) -> None:
    """Queue the PDF of a new credit note and the mail to the buyer."""
    services.queue_document(invoice_id=event.invoice_id, credit_note_id=event.credit_note_id)
