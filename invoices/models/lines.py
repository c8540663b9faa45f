"""The lines of an invoice, and their amounts by tax rate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from config.core.money import money, split

Rates = list[dict[str, str]]  # for each tax rate: tax_rate, net, tax and total, as text

LINE_AMOUNTS = ("unit_price", "discount", "net", "tax", "total")
RATE_AMOUNTS = ("net", "tax", "total")


@dataclass(frozen=True, kw_only=True)
class Line:
    """An item that was sold, or its shipping. `net` is the price after the discount, before tax."""

    title: str
    variant_id: str | None
    quantity: int
    unit_price: Decimal
    discount: Decimal
    net: Decimal
    tax_rate: Decimal
    tax: Decimal
    total: Decimal

    def as_json(self, currency: str) -> dict[str, str | int | None]:
        """Return the line with its amounts and its tax rate as text, as they are printed."""
        amounts = {name: str(money(getattr(self, name), currency)) for name in LINE_AMOUNTS}
        return {**asdict(self), **amounts, "tax_rate": _rate(self.tax_rate)}


def by_tax_rate(lines: Sequence[Line], currency: str) -> Rates:
    """Return the sums of the lines for each tax rate."""
    rates = []
    for tax_rate in sorted({line.tax_rate for line in lines}):
        same = [line for line in lines if line.tax_rate == tax_rate]
        sums = {
            name: str(money(sum((getattr(line, name) for line in same), Decimal(0)), currency))
            for name in RATE_AMOUNTS
        }
        rates.append({"tax_rate": _rate(tax_rate), **sums})
    return rates


def split_credit(
    amount: Decimal, *, invoiced: Rates, credited: Iterable[Rates], currency: str
) -> Rates:
    """Split a gross amount over the tax rates of an invoice, in proportion to what remains of each.

    `credited` are the rates of the earlier credit notes. The tax is the tax on everything that is
    credited so far minus the tax of those credit notes, so that the credit notes of an invoice that
    is credited in full sum to the invoice, rate by rate.
    """
    before = {row["tax_rate"]: Decimal(0) for row in invoiced}
    for row in (row for rates in credited for row in rates):
        before[row["tax_rate"]] += Decimal(row["total"])
    remaining = [Decimal(row["total"]) - before[row["tax_rate"]] for row in invoiced]
    shares = split(amount, remaining, currency)
    rates = []
    for row, share in zip(invoiced, shares, strict=True):
        earlier = before[row["tax_rate"]]
        tax = _tax(row, earlier + share, currency) - _tax(row, earlier, currency)
        if share:
            amounts = {"net": share - tax, "tax": tax, "total": share}
            rates.append({"tax_rate": row["tax_rate"], **{k: str(v) for k, v in amounts.items()}})
    return rates


def _tax(row: Mapping[str, str], gross: Decimal, currency: str) -> Decimal:
    """Return the tax in a part of the gross amount that was invoiced at a rate."""
    total = Decimal(row["total"])
    return money(gross * Decimal(row["tax"]) / total, currency) if total else Decimal(0)


def _rate(tax_rate: Decimal) -> str:
    return f"{tax_rate.normalize():f}"
