"""The outcome of every command in every state of an invoice."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from invoices import services
from invoices.models import Invoice
from tests.factories import InvoiceFactory, credit
from tests.invoices.test_einvoices import BUYER
from tests.states import check_outcomes, outcomes

pytestmark = pytest.mark.django_db

MUCH_LATER = datetime(timezone.now().year + 11, 1, 1, tzinfo=UTC)
STATES = [str(status) for status in Invoice.Status]


def send(invoice):
    services.send_invoice(invoice_id=invoice.id, recipient_email="other@example.com")


def deliver(invoice):
    """Send one more mail, which the mail server accepts."""
    send(invoice)
    delivery = invoice.delivery_set.get(recipient_email="other@example.com")
    services.record_delivery(
        invoice_id=delivery.invoice_id,
        delivery_id=delivery.id,
        pdf_url="https://x.test",
        at=timezone.now(),
    )


def deliver_credit_note(invoice):
    (note,) = credit(invoice, "1.00").credit_notes
    delivery = invoice.delivery_set.get(credit_note=note)
    services.record_delivery(
        invoice_id=invoice.id, delivery_id=delivery.id, pdf_url="", at=timezone.now()
    )


COMMANDS = {
    "send": send,
    "revoke links": lambda invoice: services.revoke_links(invoice_id=invoice.id),
    "deliver": deliver,
    "credit": lambda invoice: credit(invoice, "1.00"),
    "deliver a credit note": deliver_credit_note,
    "reissue": lambda invoice: services.reissue_invoice(invoice_id=invoice.id, buyer=BUYER),
    "anonymize": lambda invoice: services.anonymize_old_invoices(now=MUCH_LATER),
}
QUEUED = ("same", ["invoice.queued"])
CREDITED = ("same", ["credit_note.issued", "credit_note.queued"])
CREDIT_DELIVERED = ("same", [*CREDITED[1], "credit_note.sent"])
REVOKED = ("same", ["invoice.links_revoked"])
DELIVERED = ("sent", ["invoice.queued", "invoice.sent"])
REISSUED = ("same", ["credit_note.issued", "invoice.replaced", "invoice.created"])
ANONYMIZED = ("same", ["invoice.anonymized"])
TABLE = {  # the status after the command, and its events
    "send": {"issued": QUEUED, "sent": QUEUED},
    "revoke links": {"issued": REVOKED, "sent": REVOKED},
    "reissue": {"issued": REISSUED, "sent": REISSUED},
    "anonymize": {"issued": ANONYMIZED, "sent": ANONYMIZED},
    "deliver": {"issued": DELIVERED, "sent": DELIVERED},
    "credit": {"issued": CREDITED, "sent": CREDITED},
    "deliver a credit note": {"issued": CREDIT_DELIVERED, "sent": CREDIT_DELIVERED},
}


@pytest.mark.parametrize("state", STATES)
def test_each_command_in_each_state(state, subtests):
    check_outcomes(InvoiceFactory(status=state), COMMANDS, outcomes(TABLE, state), subtests)


def test_the_table_has_every_transition():
    emitted = {name for row in TABLE.values() for _, names in row.values() for name in names}
    assert {row.emits.name for row in Invoice.transitions()} == emitted - {"invoice.created"}


@pytest.mark.parametrize("state", STATES)
def test_an_invoice_can_always_be_sent(state):
    assert InvoiceFactory(status=state).allowed_actions() == [
        "send",
        "revoke-links",
        "reissue",
    ]


@pytest.mark.parametrize(
    ("state", "wrong"),
    [("issued", {"status": "sent"}), ("sent", {"status": "issued"}), ("sent", {"sent_at": None})],
)
def test_the_database_refuses_an_invalid_state(state, wrong):
    invoice = InvoiceFactory(status=state)
    for name, value in wrong.items():
        setattr(invoice, name, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        invoice.save()
