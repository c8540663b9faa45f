"""The lines of an invoice, and their amounts by tax rate."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

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


def by_tax_rate(lines: "Sequence[Line] | Sequence[CreditLine]", currency: str) -> Rates:
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


@dataclass(frozen=True, kw_only=True)
class CreditedPart:
    """What a refund pays for a line of the invoice, given by its number from 1."""

    line: int
    quantity: int
    amount: Decimal  # including tax
    is_fee: bool = False  # what is kept of the line's price is negative


@dataclass(frozen=True, kw_only=True)
class CreditLine:
    """What a credit note takes back of a line of the invoice, or as goodwill at a tax rate.

    `kind` is `item`, `shipping`, `fee` or `goodwill`. `line` is the number of the invoice's line.
    """

    kind: str
    line: int | None
    title: str
    variant_id: str | None
    quantity: int
    net: Decimal
    tax_rate: Decimal
    tax: Decimal
    total: Decimal

    def as_json(self) -> dict[str, str | int | None]:
        """Return the line with its amounts and its tax rate as text, as they are printed."""
        amounts = {name: str(getattr(self, name)) for name in RATE_AMOUNTS}
        return {**asdict(self), **amounts, "tax_rate": _rate(self.tax_rate)}


class Creditable:
    """How much of each line of an invoice is not credited yet, and of the tax in it.

    The tax of a credit is the tax in all that is credited of the line minus the tax of the earlier
    credits, so that the credits of a line that is credited in full sum to the line.
    """

    def __init__(self, lines: Sequence[Mapping[str, Any]], currency: str) -> None:
        self.lines, self.currency = lines, currency
        self._credited = [Decimal(0)] * len(lines)
        self._tax = [Decimal(0)] * len(lines)

    def subtract(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Subtract an earlier credit note: its lines, or the rates of one without lines."""
        for row in rows:
            total, tax = Decimal(row["total"]), Decimal(row["tax"])
            if number := row.get("line"):
                self._take(number - 1, total)
                continue
            lines = self._lines_at(row["tax_rate"])
            # The first version computed the tax of a rate, which may be a cent more or less.
            tax -= self._take_of(lines, total)
            self._tax[max(lines, key=lambda line: self._credited[line])] += tax

    def credit(self, amount: Decimal, parts: Sequence[CreditedPart]) -> list[CreditLine]:
        """Return what is taken back for a refund. `amount` is at most what is left in all.

        The parts take back their lines, in their order and as far as these are left. The rest is
        goodwill: it is split over the tax rates in proportion to what is left of each.
        """
        found, rest = list[CreditLine](), amount
        for number in dict.fromkeys(part.line for part in parts):
            own = [part for part in parts if part.line == number]
            fee = sum((part.amount for part in own if part.is_fee), Decimal(0))
            price = sum((part.amount for part in own if not part.is_fee), Decimal(0))
            quantity = sum(part.quantity for part in own)
            credited = min(price + fee, self._left(number - 1), rest)
            rest -= credited
            price = min(price, credited - min(fee, Decimal(0)))
            is_shipping = self.lines[number - 1]["variant_id"] is None
            if price or quantity:
                found.append(
                    self._of_line("shipping" if is_shipping else "item", number, quantity, price)
                )
            if fee := credited - price:
                found.append(self._of_line("fee", number, 0, fee))
        return [*found, *self._goodwill(rest)]

    def _of_line(self, kind: str, number: int, quantity: int, total: Decimal) -> CreditLine:
        line, tax = self.lines[number - 1], self._take(number - 1, total)
        return CreditLine(
            kind=kind,
            line=number,
            title=line["title"],
            variant_id=line["variant_id"],
            quantity=quantity,
            net=money(total - tax, self.currency),
            tax_rate=Decimal(line["tax_rate"]),
            tax=tax,
            total=money(total, self.currency),
        )

    def _goodwill(self, amount: Decimal) -> Iterator[CreditLine]:
        rates = sorted({Decimal(line["tax_rate"]) for line in self.lines})
        lines = [self._lines_at(_rate(rate)) for rate in rates]
        left = [sum(map(self._left, each), Decimal(0)) for each in lines]
        for rate, at, share in zip(rates, lines, split(amount, left, self.currency), strict=True):
            if share:
                tax = self._take_of(at, share)
                yield CreditLine(
                    kind="goodwill",
                    line=None,
                    title="Goodwill",
                    variant_id=None,
                    quantity=0,
                    net=share - tax,
                    tax_rate=rate,
                    tax=tax,
                    total=share,
                )

    def _lines_at(self, tax_rate: str) -> list[int]:
        return [n for n, line in enumerate(self.lines) if line["tax_rate"] == tax_rate]

    def _left(self, line: int) -> Decimal:
        return Decimal(self.lines[line]["total"]) - self._credited[line]

    def _take_of(self, lines: Sequence[int], amount: Decimal) -> Decimal:
        """Credit an amount of some lines, in proportion to what is left; return the tax in it."""
        shares = split(amount, [self._left(line) for line in lines], self.currency)
        taxes = (self._take(line, share) for line, share in zip(lines, shares, strict=True))
        return sum(taxes, Decimal(0))

    def _take(self, line: int, amount: Decimal) -> Decimal:
        """Credit an amount of a line; return the tax in it."""
        self._credited[line] += amount
        total, tax = (Decimal(self.lines[line][name]) for name in ("total", "tax"))
        so_far = money(self._credited[line] * tax / total, self.currency) if total else tax
        least, most = sorted((money(Decimal(0), self.currency), amount))
        taken = min(max(so_far - self._tax[line], least), most)
        self._tax[line] += taken
        return taken


def _rate(tax_rate: Decimal) -> str:
    return f"{tax_rate.normalize():f}"
