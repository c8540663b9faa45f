"""Every state of an invoice against every command."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from events.models import EventRecord
from invoices import services
from invoices.models import Invoice
from tests.factories import InvoiceFactory, credit
from tests.facts import mark

pytestmark = pytest.mark.django_db

STATES = [str(status) for status in Invoice.Status]


def send(invoice):
    services.send_invoice(invoice_id=invoice.id, recipient_email="other@example.com")


def deliver(invoice):
    """Send one more mail, which the mail server accepts."""
    send(invoice)
    delivery = invoice.delivery_set.get(recipient_email="other@example.com")
    services.record_delivery(
        delivery_id=delivery.id, pdf_url="https://x.example", at=timezone.now()
    )


COMMANDS = {"send": send, "deliver": deliver, "credit": lambda invoice: credit(invoice, "1.00")}
TABLE = {  # command: {state: (the state after it, its events)}
    "send": {"issued": ("issued", ["invoice.queued"]), "sent": ("sent", ["invoice.queued"])},
    "deliver": {
        "issued": ("sent", ["invoice.queued", "invoice.sent"]),
        "sent": ("sent", ["invoice.queued", "invoice.sent"]),
    },
    "credit": {
        "issued": ("issued", ["credit_note.issued"]),
        "sent": ("sent", ["credit_note.issued"]),
    },
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", COMMANDS)
def test_state_and_command(command, state):
    invoice = InvoiceFactory(status=state)
    before, (after, names) = mark(), TABLE[command][state]
    COMMANDS[command](invoice)
    assert Invoice.objects.get(pk=invoice.pk).status == after
    assert events_of(invoice, before) == names


def events_of(invoice, after):
    found = EventRecord.objects.filter(
        stream=invoice.order_id, subject=invoice.id, number__gt=after
    )
    return list(found.order_by("number").values_list("name", flat=True))


def test_every_transition_is_in_the_table():
    emitted = {name for row in TABLE.values() for _, names in row.values() for name in names}
    assert {row.emits.name for row in Invoice.transitions()} == emitted


@pytest.mark.parametrize("state", STATES)
def test_an_invoice_can_always_be_sent(state):
    assert InvoiceFactory(status=state).allowed_actions() == ["send"]


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
