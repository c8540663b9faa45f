"""What other contexts' events make invoices do."""

import payments.selectors
from events.models import EventRecord
from events.reactions import reacts_to
from invoices import services
from invoices.events import CreditNoteIssued, InvoiceCreated
from orders.events import OrderConfirmed
from payments.events import RefundSucceeded


@reacts_to(OrderConfirmed)
def bill_confirmed_order(event: OrderConfirmed, about: EventRecord) -> None:
    """What is sold is billed, a free order too."""
    services.issue_invoice(order_id=event.order_id)


@reacts_to(InvoiceCreated)
def queue_new_invoice(event: InvoiceCreated, about: EventRecord) -> None:
    """The customer gets it without asking."""
    services.queue_invoice(invoice_id=event.invoice_id)


@reacts_to(RefundSucceeded)
def credit_refund(event: RefundSucceeded, about: EventRecord) -> None:
    """What was billed and went back is no sale any more, by whatever way it went.

    Money that never counted, because it came twice or by mistake, was not billed either.
    """
    if not payments.selectors.counts(event.payment_id):
        return
    services.issue_credit_note(
        order_id=event.order_id,
        refund_id=event.refund_id,
        amount=event.amount,
        currency=event.currency,
        reason=event.reason,
    )


@reacts_to(CreditNoteIssued)
def queue_new_credit_note(event: CreditNoteIssued, about: EventRecord) -> None:
    """Accountants file it beside its invoice."""
    services.queue_document(invoice_id=event.invoice_id, credit_note_id=event.credit_note_id)
