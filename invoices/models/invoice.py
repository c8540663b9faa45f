"""The life of an invoice on one page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core.ids import PublicIdField
from config.core.money import MAX_DECIMALS, CurrencyField, MoneyField, money
from events.aggregate import Aggregate, transition
from events.schema import Event
from invoices import events
from invoices.models.credit_note import CreditNote, Rates, credited
from invoices.models.outgoing import Document, InvoiceDelivery


class Invoice(Aggregate):
    """The bill of an order. Only its status moves: a trigger keeps the rest as it was issued."""

    class Status(models.TextChoices):
        ISSUED = "issued"
        SENT = "sent"

    terminal_statuses = frozenset(
        {Status.ISSUED, Status.SENT}
    )  # without an address it is never sent
    stream_field = "order_id"
    created_event = events.InvoiceCreated

    id = PublicIdField("inv")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ISSUED)
    number = models.CharField(max_length=24)
    order = models.OneToOneField("orders.Order", models.PROTECT, related_name="+")
    order_number = models.CharField(max_length=24)
    ordered_at = models.DateTimeField()
    customer_id = models.CharField(max_length=64, null=True)
    customer_email = models.EmailField(null=True)
    currency = CurrencyField()
    # Amounts and rates in them are text, exactly as they are printed.
    seller = models.JSONField()
    buyer = models.JSONField()  # the parts of an address, as far as they are known
    lines = models.JSONField()
    rates = models.JSONField()
    subtotal = MoneyField()
    discount = MoneyField()
    tax = MoneyField()
    total = MoneyField()
    issued_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)  # the latest time

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number", "organization_id"], name="invoice_number"),
            models.CheckConstraint(
                condition=Q(
                    discount__gte=0,
                    tax__gte=0,
                    # Rounded, because SQLite adds with floats.
                    total=Round(F("subtotal") - F("discount") + F("tax"), precision=MAX_DECIMALS),
                ),
                name="invoice_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(status="issued", sent_at=None)
                | Q(status="sent", sent_at__isnull=False),
                name="invoice_sent_at",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="invoice_list"),
            models.Index(fields=["customer_id", "organization_id", "-id"], name="invoice_customer"),
            models.Index(fields=["status", "organization_id", "-id"], name="invoice_status"),
            models.Index(fields=["organization_id", "updated_at"], name="invoice_updated"),
            models.Index(fields=["organization_id", "issued_at"], name="invoice_issued"),
            models.Index(
                fields=["id"],
                name="invoice_without_address",
                condition=Q(status="issued", customer_email__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @cached_property
    def notes(self) -> list[CreditNote]:
        """The credit notes, in the order of issue."""
        return list(self.credit_notes.all())

    @cached_property
    def mails(self) -> list[InvoiceDelivery]:
        """The deliveries, in the order in which they were wanted."""
        return list(self.deliveries.all())

    def document(self, note: CreditNote | None = None) -> Document | None:
        """Return the PDF, or that of a credit note, if it is rendered."""
        wanted = note.id if note else None
        return next(
            (d for d in self.documents.all() if d.credit_note_id == wanted and d.rendered_at), None
        )

    @property
    def creditable(self) -> Decimal:
        """What has not been taken back yet."""
        left: Decimal = self.total - sum(note.total for note in self.notes)
        return left

    @classmethod
    def issue(
        cls, *, currency: str, lines: Sequence[Mapping[str, Any]], **fields: Any
    ) -> "Invoice":
        """The sale is billed. `lines` are priced, their amounts Decimals."""
        invoice = cls(
            currency=currency,
            lines=[_as_text(line, currency) for line in lines],
            rates=_rates(lines, currency),
            subtotal=sum((line["quantity"] * line["unit_price"] for line in lines), Decimal(0)),
            discount=sum((line["discount"] for line in lines), Decimal(0)),
            tax=sum((line["tax"] for line in lines), Decimal(0)),
            total=sum((line["total"] for line in lines), Decimal(0)),
            **fields,
        )
        invoice.record(
            events.InvoiceCreated(
                invoice_id=invoice.id,
                order_id=invoice.stream,
                invoice_number=invoice.number,
                total_amount=money(invoice.total, currency),
                issued_at=invoice.issued_at,
            )
        )
        return invoice

    @transition(
        source=(Status.ISSUED, Status.SENT), target=None, emits=events.InvoiceQueued, verb="send"
    )
    def send(self, *, recipient_email: str, at: datetime) -> Event:
        """Mail the invoice with its PDF, for the first time or again."""
        mail = InvoiceDelivery(invoice=self, recipient_email=recipient_email, queued_at=at)
        self.mails.append(mail)
        self.save_part(mail)
        return events.InvoiceQueued(
            invoice_id=self.id, delivery_id=mail.id, recipient_email=recipient_email
        )

    @transition(source=(Status.ISSUED, Status.SENT), target=Status.SENT, emits=events.InvoiceSent)
    def deliver(self, *, mail: InvoiceDelivery, pdf_url: str, at: datetime) -> Event:
        """The mail server has accepted it."""
        mail.status, mail.sent_at = mail.Status.SENT, at
        mail.due_at, mail.last_error = None, ""
        self.save_part(mail)
        self.sent_at = at
        return events.InvoiceSent(
            invoice_id=self.id,
            recipient_email=mail.recipient_email,
            pdf_url=pdf_url,
            sent_at=at,
        )

    @transition(source=(Status.ISSUED, Status.SENT), target=None, emits=events.CreditNoteIssued)
    def credit(
        self, *, number: str, refund_id: str, amount: Decimal, reason: str, at: datetime
    ) -> Event:
        """Money has gone back; `amount`, with its tax, is at most what is creditable."""
        rates = credited(
            amount,
            invoiced=self.rates,
            before=[note.rates for note in self.notes],
            currency=self.currency,
        )
        note = CreditNote(
            invoice=self,
            organization_id=self.organization_id,
            number=number,
            refund_id=refund_id,
            reason=reason,
            rates=rates,
            net=sum((Decimal(row["net"]) for row in rates), Decimal(0)),
            tax=sum((Decimal(row["tax"]) for row in rates), Decimal(0)),
            total=amount,
            issued_at=at,
        )
        self.save_part(note)
        return events.CreditNoteIssued(
            credit_note_id=note.id,
            credit_note_number=number,
            invoice_id=self.id,
            refund_id=refund_id,
            amount=money(amount, self.currency),
            currency=self.currency,
            reason=reason,
            issued_at=at,
        )


def _as_text(line: Mapping[str, Any], currency: str) -> dict[str, Any]:
    amounts = ("unit_price", "discount", "net", "tax", "total")
    text = {name: str(money(line[name], currency)) for name in amounts}
    return {**line, **text, "tax_rate": f"{line['tax_rate'].normalize():f}"}


def _rates(lines: Sequence[Mapping[str, Any]], currency: str) -> Rates:
    """Sum the lines up by their tax rate."""
    rates = []
    for rate in sorted({line["tax_rate"] for line in lines}):
        of_rate = [line for line in lines if line["tax_rate"] == rate]
        sums = {
            name: str(money(sum((line[name] for line in of_rate), Decimal(0)), currency))
            for name in ("net", "tax", "total")
        }
        rates.append({"tax_rate": f"{rate.normalize():f}", **sums})
    return rates
