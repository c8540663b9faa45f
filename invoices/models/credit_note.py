"""What is taken back of an invoice."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core.ids import PublicIdField
from config.core.money import MAX_DECIMALS, MoneyField, money, split
from events.aggregate import Part

Rates = list[dict[str, str]]  # of each tax rate: tax_rate, net, tax and total


class CreditNote(Part):
    """Money of an invoice that has gone back. A trigger keeps it as it was issued."""

    id = PublicIdField("cn")
    organization_id = models.CharField(max_length=64, editable=False)
    invoice = models.ForeignKey("invoices.Invoice", models.PROTECT, related_name="credit_notes")
    number = models.CharField(max_length=24)
    refund_id = models.CharField(max_length=40, unique=True)
    reason = models.CharField(max_length=32)
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
            models.CheckConstraint(
                condition=Q(
                    net__gte=0,
                    tax__gte=0,
                    total__gt=0,
                    # Rounded, because SQLite adds with floats.
                    total=Round(F("net") + F("tax"), precision=MAX_DECIMALS),
                ),
                name="credit_note_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return self.number


def credited(amount: Decimal, *, invoiced: Rates, before: Iterable[Rates], currency: str) -> Rates:
    """Return what of each tax rate an amount takes back, which contains the tax.

    It is split over what is left of each rate. Tax is what is due on all that is credited by now,
    less what was: so the notes of an invoice that is taken back whole sum to it, rate by rate.
    """
    gone = {row["tax_rate"]: Decimal(0) for row in invoiced}
    for row in (row for rates in before for row in rates):
        gone[row["tax_rate"]] += Decimal(row["total"])
    left = [Decimal(row["total"]) - gone[row["tax_rate"]] for row in invoiced]
    parts = split(amount, left, currency)
    rates = []
    for row, part in zip(invoiced, parts, strict=True):
        already = gone[row["tax_rate"]]
        tax = _tax(row, already + part, currency) - _tax(row, already, currency)
        if part:
            amounts = {"net": part - tax, "tax": tax, "total": part}
            rates.append({"tax_rate": row["tax_rate"], **{k: str(v) for k, v in amounts.items()}})
    return rates


def _tax(row: Mapping[str, str], gross: Decimal, currency: str) -> Decimal:
    """Return the tax in a part of what was invoiced at a rate."""
    total = Decimal(row["total"])
    return money(gross * Decimal(row["tax"]) / total, currency) if total else Decimal(0)
