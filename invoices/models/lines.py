"""The lines of an invoice, and their amounts by tax rate."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from config.core.money import money, split, unit_price

if TYPE_CHECKING:
    from orders.pricing import Tax

# For each tax: its name and tax_rate, or why a sale is not taxed, and net, tax and total, as text.
Rates = list[dict[str, str | None]]

RATE_AMOUNTS = ("net", "tax", "total")
LINE_AMOUNTS = ("discount", *RATE_AMOUNTS)


class Kind(NamedTuple):
    """What the taxes of a document are summed by. `exemption` says why a sale is not taxed."""

    rate: Decimal
    name: str | None = None
    exemption: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Taxed:
    """A line of a document. `net` is the price after the discount, before tax.

    `taxes` are as an order stores them; empty for one tax that has no name.
    """

    title: str
    variant_id: str | None
    quantity: int
    net: Decimal
    tax_rate: Decimal
    tax: Decimal
    taxes: "Sequence[Tax]" = ()
    total: Decimal

    def amounts_by_tax(self) -> dict[Kind, Decimal]:
        """Return the amount of each tax."""
        taxes = {
            Kind(Decimal(tax["rate"]), tax["name"], tax["exemption"], tax["note"]): tax["amount"]
            for tax in self.taxes
        }
        return {kind: Decimal(amount) for kind, amount in taxes.items()} or {
            Kind(self.tax_rate): self.tax
        }


@dataclass(frozen=True, kw_only=True)
class Line(Taxed):
    """An item that was sold, or its shipping.

    `unit_price` and `discount` include tax if the prices of the invoice do. `discount_codes` are
    the codes of what is taken off; its reasons are not printed, because they may be about a person.
    """

    unit_price: Decimal
    discount: Decimal
    discount_codes: Sequence[str] = ()

    def as_json(self, currency: str) -> dict[str, Any]:
        """Return the line with its amounts and its tax rate as text, as they are printed."""
        amounts = {name: str(money(getattr(self, name), currency)) for name in LINE_AMOUNTS}
        price = str(unit_price(self.unit_price, currency))
        return {**asdict(self), **amounts, "unit_price": price, "tax_rate": _text(self.tax_rate)}


def by_tax_rate(lines: Sequence[Taxed], currency: str) -> Rates:
    """Return the sums of the lines for each tax. A line with two taxes is in two sums."""
    sums: dict[Kind, tuple[Decimal, Decimal]] = {}
    for line in lines:
        for kind, tax in line.amounts_by_tax().items():
            net, taxes = sums.get(kind, (Decimal(0), Decimal(0)))
            sums[kind] = (net + line.net, taxes + tax)
    return [
        {
            **({"name": kind.name} if kind.name else {}),
            "tax_rate": _text(kind.rate),
            **({"exemption": kind.exemption, "note": kind.note} if kind.exemption else {}),
            "net": str(money(net, currency)),
            "tax": str(money(tax, currency)),
            "total": str(money(net + tax, currency)),
        }
        for kind, (net, tax) in sorted(sums.items(), key=lambda each: _order(each[0]))
    ]


def _order(kind: Kind) -> tuple[Any, ...]:
    return kind.rate, kind.name or "", kind.exemption or "", kind.note or ""


@dataclass(frozen=True, kw_only=True)
class CreditedPart:
    """What a refund pays for a line of the invoice, given by its number from 1."""

    line: int
    quantity: int
    amount: Decimal  # including tax
    is_fee: bool = False  # what is kept of the line's price is negative


@dataclass(frozen=True, kw_only=True)
class CreditLine(Taxed):
    """What a credit note takes back of a line of the invoice, or as goodwill at a tax rate.

    `kind` is `item`, `shipping`, `fee` or `goodwill`. `line` is the number of the invoice's line.
    """

    kind: str
    line: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the line with its amounts and its tax rate as text, as they are printed."""
        amounts = {name: str(getattr(self, name)) for name in RATE_AMOUNTS}
        return {**asdict(self), **amounts, "tax_rate": _text(self.tax_rate)}


class Creditable:
    """How much of each line of an invoice is not credited yet, and of each tax in it.

    The tax of a credit is the tax in all that is credited of the line minus the tax of the earlier
    credits, so that the credits of a line that is credited in full sum to the line.
    """

    def __init__(self, lines: Sequence[Mapping[str, Any]], currency: str) -> None:
        self.lines, self.currency = lines, currency
        self._credited = [Decimal(0)] * len(lines)
        self._charged = [_amounts(line) for line in lines]  # of each of its taxes
        self._taken = [[Decimal(0)] * len(taxes) for taxes in self._charged]

    def subtract(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Subtract an earlier credit note: its lines, or the rates of one without lines."""
        for row in rows:
            total = Decimal(row["total"])
            if number := row.get("line"):
                self._take(number - 1, total, _amounts(row))
            elif "kind" in row:
                self._take_of(self._lines_like(row), total)
            else:
                # The first version computed the tax of a rate, which may be a cent more or less.
                rate = row["tax_rate"]
                lines = [n for n, line in enumerate(self.lines) if line["tax_rate"] == rate]
                rest = Decimal(row["tax"]) - sum(self._take_of(lines, total))
                self._taken[max(lines, key=lambda line: self._credited[line])][0] += rest

    def left(self) -> list[Decimal]:
        """Return how much of each line is not credited yet."""
        return [self._left(line) for line in range(len(self.lines))]

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
            # The taxes of the fee are what it changes, so that the two together are a credit.
            taxes = self._taxes(number - 1, price)
            both = self._take(number - 1, credited, self._taxes(number - 1, credited))
            if price or quantity:
                is_shipping = self.lines[number - 1]["variant_id"] is None
                kind = "shipping" if is_shipping else "item"
                found.append(self._of_line(kind, number, quantity, price, taxes))
            if fee := credited - price:
                rest_of_taxes = [all - own for all, own in zip(both, taxes, strict=True)]
                found.append(self._of_line("fee", number, 0, fee, rest_of_taxes))
        return [*found, *self._goodwill(rest)]

    def _of_line(
        self, kind: str, number: int, quantity: int, total: Decimal, taxes: Sequence[Decimal]
    ) -> CreditLine:
        line = self.lines[number - 1]
        return self._credit_line(
            line,
            taxes,
            total,
            kind=kind,
            line=number,
            title=line["title"],
            variant_id=line["variant_id"],
            quantity=quantity,
        )

    def _goodwill(self, amount: Decimal) -> Iterator[CreditLine]:
        kinds = {_kinds(line): line for line in self.lines}
        ordered = [kinds[each] for each in sorted(kinds)]
        groups = [self._lines_like(line) for line in ordered]
        left = [sum(map(self._left, each), Decimal(0)) for each in groups]
        shares = split(amount, left, self.currency)
        for line, group, share in zip(ordered, groups, shares, strict=True):
            if share:
                yield self._credit_line(
                    line,
                    self._take_of(group, share),
                    share,
                    kind="goodwill",
                    line=None,
                    title="Goodwill",
                    variant_id=None,
                    quantity=0,
                )

    def _credit_line(
        self, like: Mapping[str, Any], taxes: Sequence[Decimal], total: Decimal, **fields: Any
    ) -> CreditLine:
        """Return a line with the taxes of a line of the invoice."""
        own: Sequence[Tax] = like.get("taxes", ())
        tax = money(sum(taxes, Decimal(0)), self.currency)
        amounts = [str(money(each, self.currency)) for each in taxes]
        return CreditLine(
            **fields,
            net=money(total - tax, self.currency),
            tax_rate=Decimal(like["tax_rate"]),
            tax=tax,
            taxes=[{**each, "amount": amount} for each, amount in zip(own, amounts, strict=False)],
            total=money(total, self.currency),
        )

    def _lines_like(self, row: Mapping[str, Any]) -> list[int]:
        return [n for n, line in enumerate(self.lines) if _kinds(line) == _kinds(row)]

    def _left(self, line: int) -> Decimal:
        return Decimal(self.lines[line]["total"]) - self._credited[line]

    def _take_of(self, lines: Sequence[int], amount: Decimal) -> list[Decimal]:
        """Credit an amount of some lines, in proportion to what is left; return the taxes in it."""
        shares = split(amount, [self._left(line) for line in lines], self.currency)
        taxes = [
            self._take(line, share, self._taxes(line, share))
            for line, share in zip(lines, shares, strict=True)
        ]
        return [sum(each, Decimal(0)) for each in zip(*taxes, strict=True)]

    def _taxes(self, line: int, amount: Decimal) -> list[Decimal]:
        """Return each of the taxes in an amount of a line, if it is credited next."""
        total, found, rest = Decimal(self.lines[line]["total"]), list[Decimal](), amount
        for charged, taken in zip(self._charged[line], self._taken[line], strict=True):
            credited = self._credited[line] + amount
            so_far = money(credited * charged / total, self.currency) if total else charged
            found.append(min(max(so_far - taken, money(Decimal(0), self.currency)), rest))
            rest -= found[-1]
        return found

    def _take(self, line: int, amount: Decimal, taxes: Sequence[Decimal]) -> Sequence[Decimal]:
        """Count an amount of a line, and the taxes in it, as credited; return the taxes."""
        self._credited[line] += amount
        before = self._taken[line]
        self._taken[line] = [tax + own for tax, own in zip(before, taxes, strict=True)]
        return taxes


def _amounts(line: Mapping[str, Any]) -> list[Decimal]:
    """Return the amount of each tax of a stored line."""
    return [Decimal(tax["amount"]) for tax in line.get("taxes", ())] or [Decimal(line["tax"])]


def _kinds(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a stored line has in common with those that are taxed alike."""
    taxes = line.get("taxes", ())
    parts = ("rate", "name", "exemption", "note")
    kinds = tuple(tuple(tax[part] or "" for part in parts) for tax in taxes)
    return Decimal(line["tax_rate"]), kinds


def _text(tax_rate: Decimal) -> str:
    return f"{tax_rate.normalize():f}"
