"""The parts of an invoice: its credit notes, its PDF documents and its deliveries by mail."""

from datetime import date

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round
from django.utils.translation import gettext_lazy as _

from config.core.clock import local
from config.core.ids import PublicIdField
from config.core.money import MAX_DECIMALS, MoneyField
from config.core.outbound import OutboundCall
from events.aggregate import Part


class CreditNote(Part):
    """A part of an invoice that was refunded, or all that was left of one that is replaced.

    A database trigger refuses changes.
    """

    REPLACED = "invoice_replaced"  # the reason of one that has no refund

    id = PublicIdField("cn")
    organization_id = models.CharField(max_length=64, editable=False)
    invoice = models.ForeignKey("invoices.Invoice", models.PROTECT, related_name="credit_note_set")
    number = models.CharField(max_length=24)
    refund_id = models.CharField(max_length=40, null=True)
    reason = models.CharField(max_length=32)
    # Empty in rows of the first version, which inserts some during an upgrade.
    lines = models.JSONField(default=list, db_default=[])
    rates = models.JSONField()
    net = MoneyField()
    tax = MoneyField()
    total = MoneyField()
    issued_at = models.DateTimeField()

    class Meta:
        ordering = ["issued_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["number", "organization_id"], name="credit_note_number"
            ),
            models.UniqueConstraint(
                fields=["invoice", "refund_id"], name="one_credit_note_per_refund"
            ),
            models.CheckConstraint(
                condition=(Q(total__gt=0) | Q(refund_id=None, total=0))
                & Q(
                    net__gte=0,
                    tax__gte=0,
                    # Rounded, because SQLite adds in floating point.
                    total=Round(F("net") + F("tax"), precision=MAX_DECIMALS),
                ),
                name="credit_note_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def issued_on(self) -> date:
        """The date of the credit note."""
        return local(self.issued_at, self.invoice.time_zone).date()


class Document(OutboundCall):
    """The PDF of an invoice or of one of its credit notes. It is rendered and stored once."""

    id = PublicIdField("doc")
    invoice = models.ForeignKey("invoices.Invoice", models.PROTECT, related_name="documents")
    credit_note = models.OneToOneField(
        "invoices.CreditNote", models.PROTECT, null=True, related_name="document"
    )
    path = models.CharField(max_length=200, default="")  # in the default storage
    sha256 = models.CharField(max_length=64, default="")
    rendered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"],
                name="one_document_per_invoice",
                condition=Q(credit_note__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(rendered_at=None, path="", sha256="")
                | Q(Q(rendered_at__isnull=False), ~Q(path=""), ~Q(sha256="")),
                name="document_rendered_is_stored",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="document_due", condition=Q(rendered_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.number}.pdf"

    @property
    def number(self) -> str:
        """The number of the credit note, or else of the invoice."""
        return str(self.credit_note.number if self.credit_note else self.invoice.number)


class InvoiceDelivery(OutboundCall, Part):
    """A mail with the invoice, or with one of its credit notes.

    Every attempt has the same Message-ID, made from the id.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"

    id = PublicIdField("del")
    invoice = models.ForeignKey("invoices.Invoice", models.PROTECT, related_name="delivery_set")
    credit_note = models.ForeignKey(
        "invoices.CreditNote", models.PROTECT, null=True, related_name="+"
    )
    recipient_email = models.EmailField(null=True)  # null if it was erased
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    queued_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = _("invoice deliveries")
        ordering = ["queued_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "recipient_email"],
                name="one_queued_delivery_per_address",
                condition=Q(status="queued", credit_note=None),
            ),
            models.UniqueConstraint(
                fields=["credit_note", "recipient_email"],
                name="one_queued_credit_note_per_address",
                condition=Q(status="queued"),
            ),
            models.CheckConstraint(
                condition=Q(status="queued", sent_at=None)
                | Q(status="sent", sent_at__isnull=False),
                name="delivery_sent_at",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="delivery_due", condition=Q(status="queued"))
        ]

    def __str__(self) -> str:
        return f"{self.recipient_email or self.id} ({self.status})"

    @property
    def attempts(self) -> int:
        """The number of failed attempts since the mail was requested."""
        is_last_call_open = self.leased_until is not None or self.status == self.Status.SENT
        return max(self.calls - is_last_call_open, 0)
