"""The invoice: its columns and its transitions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core.client_data import PurchaseOrderNumberField, reference_index
from config.core.clock import TimeZoneField, local
from config.core.ids import PublicIdField
from config.core.money import MAX_DECIMALS, CurrencyField, MoneyField, money
from events.aggregate import Aggregate, PartList, transition
from events.schema import Event
from invoices import events
from invoices.exceptions import DocumentDeleted, UnknownCreditNote
from invoices.models.lines import Creditable, CreditedPart, Line, by_tax_rate
from invoices.models.parts import CreditNote, Document, InvoiceDelivery

PRICES = F("subtotal") - F("discount")


class Invoice(Aggregate):
    """An invoice of an order, which has one that is not replaced.

    A database trigger refuses every change but those of the status, `replace` and `anonymize`.
    """

    class Status(models.TextChoices):
        ISSUED = "issued"
        SENT = "sent"

    class Terms(models.TextChoices):
        """When an invoice is paid.

        - `paid`: it was, before it was issued.
        - `authorized`: the customer has authorized the payment.
        - `invoice`: until `due_on`.
        - `cash_on_delivery`: when the goods are delivered.
        """

        PAID = "paid", "Paid in full"
        AUTHORIZED = "authorized", "Payment authorized"
        INVOICE = "invoice", "Payable by bank transfer"
        CASH_ON_DELIVERY = "cash_on_delivery", "Cash on delivery"

    # An invoice without an address is never sent, so both are terminal.
    terminal_statuses = frozenset({Status.ISSUED, Status.SENT})
    stream_field = "order_id"
    created_event = events.InvoiceCreated

    id = PublicIdField("inv")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ISSUED)
    number = models.CharField(max_length=24)
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    order_number = models.CharField(max_length=24)
    ordered_at = models.DateTimeField()
    purchase_order_number = PurchaseOrderNumberField()
    customer_id = models.CharField(max_length=64, null=True)
    customer_email = models.EmailField(null=True)
    locale = models.CharField(max_length=20, null=True)  # null: the seller's
    currency = CurrencyField()
    # Whether the prices and discounts of the lines include tax. The old version inserts rows
    # without it during an upgrade.
    tax_inclusive = models.BooleanField(default=False, db_default=False)
    delivery_country = models.CharField(max_length=2, null=True)  # null: collected
    # Amounts and tax rates in these are text, exactly as they are printed.
    seller = models.JSONField()
    buyer = models.JSONField()  # the known parts of an address
    lines = models.JSONField()
    rates = models.JSONField()
    subtotal = MoneyField()
    discount = MoneyField()
    tax = MoneyField()
    total = MoneyField()
    # What was still to be paid when it was issued.
    payment_terms = models.CharField(
        max_length=16, choices=Terms.choices, default=Terms.PAID, db_default=Terms.PAID
    )
    due = MoneyField(default=Decimal(0), db_default=Decimal(0))
    due_on = models.DateField(null=True)
    issued_at = models.DateTimeField()
    time_zone = TimeZoneField()  # of the order: its dates and those of its credit notes
    sent_at = models.DateTimeField(null=True)  # of the latest delivery
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="+")
    replaced_by = models.OneToOneField("self", models.PROTECT, null=True, related_name="+")
    anonymized_at = models.DateTimeField(null=True)  # when the buyer and the PDFs were deleted
    credit_notes = PartList[CreditNote]("credit_note_set")  # in the order of issue
    deliveries = PartList[InvoiceDelivery]("delivery_set")  # in the order in which they were queued

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number", "organization_id"], name="invoice_number"),
            models.UniqueConstraint(
                fields=["order"],
                name="one_current_invoice_per_order",
                condition=Q(replaced_by=None),
            ),
            models.CheckConstraint(
                condition=Q(
                    discount__gte=0,
                    tax__gte=0,
                )
                # Rounded, because SQLite adds in floating point.
                & (
                    Q(tax_inclusive=False, total=Round(PRICES + F("tax"), precision=MAX_DECIMALS))
                    | Q(tax_inclusive=True, total=Round(PRICES, precision=MAX_DECIMALS))
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
            reference_index("purchase_order_number", "invoice_purchase_order"),
            models.Index(fields=["organization_id", "updated_at"], name="invoice_updated"),
            models.Index(fields=["organization_id", "issued_at"], name="invoice_issued"),
            models.Index(
                fields=["issued_at"],
                name="invoice_not_anonymized",
                condition=Q(anonymized_at__isnull=True),
            ),
            models.Index(
                fields=["id"],
                name="invoice_without_address",
                condition=Q(status="issued", customer_email__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def issued_on(self) -> date:
        """The date of the invoice."""
        return local(self.issued_at, self.time_zone).date()

    @property
    def ordered_on(self) -> date:
        """The date of the order."""
        return local(self.ordered_at, self.time_zone).date()

    def document(self, credit_note: CreditNote | None = None) -> Document | None:
        """Return the PDF of the invoice, or of a credit note, if it is rendered."""
        credit_note_id = credit_note.id if credit_note else None
        rendered = (document for document in self.documents.all() if document.rendered_at)
        return next((each for each in rendered if each.credit_note_id == credit_note_id), None)

    def credit_note(self, credit_note_id: str) -> CreditNote:
        """Return one of its credit notes. Raises UnknownCreditNote."""
        for note in self.credit_notes:
            if note.id == credit_note_id:
                return note
        raise UnknownCreditNote(f"{self.id} has no credit note {credit_note_id}.")

    @property
    def creditable_amount(self) -> Decimal:
        """The total, less the credit notes."""
        credited = sum((note.total for note in self.credit_notes), Decimal(0))
        remaining: Decimal = self.total - credited
        return remaining

    @classmethod
    def issue(
        cls, *, currency: str, tax_inclusive: bool, lines: Sequence[Line], **fields: Any
    ) -> "Invoice":
        """Issue an invoice of these lines. `fields` are the other columns."""
        prices = [line.total if tax_inclusive else line.net for line in lines]
        discount = sum((line.discount for line in lines), Decimal(0))
        invoice = cls(
            currency=currency,
            tax_inclusive=tax_inclusive,
            lines=[line.as_json(currency) for line in lines],
            rates=by_tax_rate(lines, currency),
            subtotal=sum(prices, discount),
            discount=discount,
            tax=sum((line.tax for line in lines), Decimal(0)),
            total=sum((line.total for line in lines), Decimal(0)),
            **fields,
        )
        invoice.record(invoice._created())
        return invoice

    def is_required(self, now: datetime) -> bool:
        """Return whether the law requires it: for years after the end of the year of issue."""
        years: int = settings.INVOICE_RETENTION_YEARS
        return local(now, self.time_zone).year - self.issued_on.year <= years

    def replacement(
        self,
        *,
        number: str,
        seller: Mapping[str, Any],
        buyer: Mapping[str, str],
        customer_email: str | None,
        purchase_order_number: str | None,
        unpaid: Decimal,
        at: datetime,
    ) -> "Invoice":
        """Return an invoice to another buyer that replaces this one: see `replace`.

        `unpaid` is how much of the total was not captured yet.
        """
        given = {
            "number": number,
            "seller": seller,
            "buyer": buyer,
            "customer_email": customer_email,
            "purchase_order_number": purchase_order_number,
            "issued_at": at,
            "replaces_id": self.id,
            "due": max(min(self.due, unpaid), Decimal(0)),
        }
        if not given["due"]:
            given |= {"payment_terms": self.Terms.PAID, "due_on": None}
        own = {"id", "status", "sent_at", "created_at", "updated_at", *given}
        copied = {
            field.attname: deepcopy(getattr(self, field.attname))
            for field in self._meta.concrete_fields
            if field.attname not in own
        }
        invoice = Invoice(**copied, **given)
        invoice.credit_notes, invoice.deliveries = [], []
        invoice.record(invoice._created())
        return invoice

    def is_to(self, buyer: Mapping[str, str], customer_email: str | None) -> bool:
        """Return whether this is the buyer."""
        return (self.buyer, self.customer_email) == (buyer, customer_email)

    def is_current(self) -> bool:
        """no other invoice has replaced it"""
        return self.replaced_by_id is None

    def is_owed(self) -> bool:
        """its credit notes leave something of it"""
        return self.creditable_amount > 0 or not self.credit_notes

    def is_kept(self) -> bool:
        """its buyer and its PDF are not deleted"""
        return self.anonymized_at is None

    def expect_kept(self) -> None:
        """Raise DocumentDeleted."""
        if not self.is_kept():
            raise DocumentDeleted(
                f"The documents of {self.number} were deleted on {self.anonymized_at:%Y-%m-%d}."
            )

    @transition(
        source=(Status.ISSUED, Status.SENT), target=None, emits=events.InvoiceQueued, verb="send"
    )
    def send(self, *, recipient_email: str, at: datetime) -> Event:
        """Queue a mail with the invoice, for the first time or again."""
        delivery = self._queue(recipient_email, at)
        return events.InvoiceQueued.of(
            self, delivery_id=delivery.id, recipient_email=recipient_email
        )

    @transition(source=(Status.ISSUED, Status.SENT), target=None, emits=events.CreditNoteQueued)
    def send_credit_note(self, *, note: CreditNote, recipient_email: str, at: datetime) -> Event:
        """Queue a mail with a credit note, for the first time or again."""
        delivery = self._queue(recipient_email, at, note)
        return events.CreditNoteQueued.of(
            self, credit_note_id=note.id, delivery_id=delivery.id, recipient_email=recipient_email
        )

    @transition(source=(Status.ISSUED, Status.SENT), target=None, emits=events.CreditNoteSent)
    def deliver_credit_note(self, *, delivery: InvoiceDelivery, at: datetime) -> Event:
        """Record that the mail server accepted the mail with a credit note."""
        self._accept(delivery, at)
        return events.CreditNoteSent.of(
            self,
            credit_note_id=delivery.credit_note_id,
            recipient_email=delivery.recipient_email,
            sent_at=at,
        )

    @transition(source=(Status.ISSUED, Status.SENT), target=Status.SENT, emits=events.InvoiceSent)
    def deliver(self, *, delivery: InvoiceDelivery, pdf_url: str, at: datetime) -> Event:
        """Record that the mail server accepted the mail."""
        self._accept(delivery, at)
        self.sent_at = at
        return events.InvoiceSent.of(
            self, recipient_email=delivery.recipient_email, pdf_url=pdf_url
        )

    @transition(
        source=(Status.ISSUED, Status.SENT),
        target=None,
        emits=events.InvoiceLinksRevoked,
        verb="revoke-links",
    )
    def revoke_links(self) -> None:
        """Revoke the links that open it, and its credit notes, without a token."""

    @transition(
        source=(Status.ISSUED, Status.SENT),
        target=None,
        emits=events.InvoiceAnonymized,
        guards=[is_kept],
    )
    def anonymize(self, *, at: datetime) -> None:
        """Delete who the buyer is: the law does not require it any more."""
        self.buyer, self.customer_email, self.anonymized_at = {}, None, at
        self.purchase_order_number = None
        for delivery in self.deliveries:
            delivery.recipient_email = None
            delivery.finish_call()
            self.save_part(delivery)

    @transition(source=(Status.ISSUED, Status.SENT), target=None, emits=events.CreditNoteIssued)
    def credit(
        self,
        *,
        number: str,
        refund_id: str | None,
        amount: Decimal,
        parts: Sequence[CreditedPart],
        reason: str,
        at: datetime,
    ) -> Event:
        """Issue a credit note of the parts. `amount` is at most `creditable_amount`."""
        lines = self._creditable().credit(amount, parts)
        return self._issue_credit_note(
            number=number,
            refund_id=refund_id,
            reason=reason,
            lines=[line.as_json() for line in lines],
            rates=by_tax_rate(lines, self.currency),
            net=sum((line.net for line in lines), Decimal(0)),
            tax=sum((line.tax for line in lines), Decimal(0)),
            total=amount,
            issued_at=at,
        )

    @transition(source=(Status.ISSUED, Status.SENT), target=None, emits=events.CreditNoteIssued)
    def credit_again(self, *, note: CreditNote, number: str, at: datetime) -> Event:
        """Issue a credit note of the replaced invoice again, for this one."""
        names = ("refund_id", "reason", "lines", "rates", "net", "tax", "total")
        copied = {name: getattr(note, name) for name in names}
        return self._issue_credit_note(**copied, number=number, issued_at=at)

    @transition(
        source=(Status.ISSUED, Status.SENT),
        target=None,
        emits=events.InvoiceReplaced,
        verb="reissue",
        guards=[is_kept, is_current, is_owed],
    )
    def replace(self, *, by: "Invoice", number: str, at: datetime) -> Event:
        """Cancel it by a credit note of all that is left, because another invoice replaces it."""
        self.credit(
            number=number,
            refund_id=None,
            amount=self.creditable_amount,
            parts=self._rest(),
            reason=CreditNote.REPLACED,
            at=at,
        )
        self.replaced_by = by
        return events.InvoiceReplaced.of(
            self, replaced_by=by.id, credit_note_id=self.credit_notes[-1].id
        )

    def _created(self) -> Event:
        return events.InvoiceCreated.of(self, invoice_number=self.number, total_amount=self.total)

    def _creditable(self) -> Creditable:
        creditable = Creditable(self.lines, self.currency)
        for note in self.credit_notes:
            creditable.subtract(note.lines or note.rates)
        return creditable

    def _rest(self) -> list[CreditedPart]:
        """Return what the credit notes leave of each line."""
        credited = Counter[int]()
        for note in self.credit_notes:
            for line in note.lines:
                credited[line["line"]] += line["quantity"]
        return [
            CreditedPart(
                line=number, quantity=max(line["quantity"] - credited[number], 0), amount=left
            )
            for number, (line, left) in enumerate(
                zip(self.lines, self._creditable().left(), strict=True), 1
            )
        ]

    def _issue_credit_note(self, **fields: Any) -> Event:
        note = CreditNote(invoice=self, organization_id=self.organization_id, **fields)
        self.credit_notes.append(note)
        self.save_part(note)
        return events.CreditNoteIssued(
            credit_note_id=note.id,
            credit_note_number=note.number,
            invoice_id=self.id,
            order_id=self.order_id,
            refund_id=note.refund_id,
            amount=money(note.total, self.currency),
            currency=self.currency,
            reason=note.reason,
            issued_at=note.issued_at,
        )

    def _queue(
        self, recipient_email: str, at: datetime, note: CreditNote | None = None
    ) -> InvoiceDelivery:
        delivery = InvoiceDelivery(
            invoice=self,
            credit_note=note,
            recipient_email=recipient_email,
            queued_at=at,
            due_at=at,
        )
        self.deliveries.append(delivery)
        self.save_part(delivery)
        return delivery

    def _accept(self, delivery: InvoiceDelivery, at: datetime) -> None:
        delivery.status, delivery.sent_at = delivery.Status.SENT, at
        delivery.finish_call()
        self.save_part(delivery)
