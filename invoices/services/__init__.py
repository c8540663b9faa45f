"""What can be done with invoices: one function per verb."""

from invoices.services.issuing import issue_credit_note, issue_invoice
from invoices.services.outgoing import (
    AddressRequired,
    claim,
    hold_back,
    put_off,
    queue_document,
    queue_invoice,
    record_delivery,
    record_rendering,
    send_invoice,
)
from invoices.services.seller import set_seller

__all__ = [
    "AddressRequired",
    "claim",
    "hold_back",
    "issue_credit_note",
    "issue_invoice",
    "put_off",
    "queue_document",
    "queue_invoice",
    "record_delivery",
    "record_rendering",
    "send_invoice",
    "set_seller",
]
