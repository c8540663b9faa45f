"""Prices an order: from its lines, discounts and shipping to every amount that it shows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_DOWN, Decimal
from fractions import Fraction
from math import ceil, floor, lcm
from typing import TYPE_CHECKING, NamedTuple, NotRequired, Protocol, TypedDict

from config.core.money import bounded, decimals, exact, line_amount, money, split
from orders.exceptions import DiscountTooLarge

if TYPE_CHECKING:
    from orders.models import Order

HALF = Fraction(1, 2)
ZERO = Decimal(0)


class Tax(TypedDict):
    """One of the taxes on a line or on the shipping, as it is stored: numbers are text.

    `exemption` and `note` say why a sale is not taxed. `amount` is the tax itself.
    """

    name: str | None
    rate: str
    exemption: str | None
    note: str | None
    amount: NotRequired[str]


class Line(Protocol):
    """What the price of a line depends on. `tax_rate` is a fraction, the sum of those of `taxes`.

    Without `taxes`, that is the rate of one tax without a name.
    """

    quantity: int
    unit_price: Decimal
    tax_rate: Decimal
    taxes: list[Tax]
    line_discount: Decimal
    variant_id: str


class Shipping(NamedTuple):
    """The price of the shipping before its discount, and its taxes: see `Line`."""

    price: Decimal = ZERO
    discount: Decimal = ZERO
    tax_rate: Decimal = ZERO
    taxes: Sequence[Tax] = ()


class Rules(NamedTuple):
    """Whether prices and discounts include tax, and whether tax is rounded by line or by rate.

    By rate, the tax is computed on the sum over the document, and split over the lines.
    """

    currency: str
    tax_inclusive: bool = False
    is_by_rate: bool = False


class LineAmounts(NamedTuple):
    """Amounts of one line. `total` is what the customer pays for it.

    `subtotal` is quantity × unit price, and `discount` what is taken off it: its own discount, and
    its share of the order's. Both include tax if the prices do.
    """

    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    taxes: list[Tax]
    total: Decimal


class OrderAmounts(NamedTuple):
    """Amounts of an order. `tax` includes that on shipping.

    `subtotal` is the sum of the lines after their own discounts. `shipping_cost` is after its
    discount. Both include tax if the prices do.
    """

    subtotal: Decimal
    shipping_cost: Decimal
    shipping_tax: Decimal
    shipping_taxes: list[Tax]
    tax: Decimal
    total: Decimal


class Taxable(NamedTuple):
    """An amount and the taxes on it, which it includes if the prices do."""

    amount: Decimal
    tax_rate: Decimal
    taxes: Sequence[Tax]

    def rates(self) -> list[tuple[str | None, Decimal]]:
        """Return the name and the rate of each tax."""
        return [(tax["name"], Decimal(tax["rate"])) for tax in self.taxes] or [
            (None, self.tax_rate)
        ]


def price(
    lines: Sequence[Line], shipping: Shipping, *, discount: Decimal, rules: Rules
) -> tuple[OrderAmounts, list[LineAmounts]]:
    """Compute every amount. `discount` is that of the order, split in proportion to its lines.

    Raises DiscountTooLarge, InexactAmount, PriceTooExact, AmountTooLarge.
    """
    currency = rules.currency
    subtotals = [line_amount(line.quantity, line.unit_price, currency) for line in lines]
    bounded(_sum(subtotals) + exact(shipping.price, currency))  # the invoice shows it
    for number, (line, amount) in enumerate(zip(lines, subtotals, strict=True), 1):
        _expect_at_most(amount, line.line_discount, currency, f"line {number} ({line.variant_id})")
    _expect_at_most(shipping.price, shipping.discount, currency, "the shipping")
    rest = [amount - line.line_discount for line, amount in zip(lines, subtotals, strict=True)]
    subtotal = _sum(rest)
    _expect_at_most(subtotal, discount, currency, "the items")
    shares = split(discount, rest, currency)
    taxables = [
        Taxable(amount - share, line.tax_rate, line.taxes)
        for line, amount, share in zip(lines, rest, shares, strict=True)
    ]
    cost = exact(shipping.price - shipping.discount, currency)
    taxables.append(Taxable(cost, shipping.tax_rate, shipping.taxes))
    *of_lines, of_shipping = _taxes(taxables, rules)
    priced = [
        LineAmounts(
            subtotal=amount,
            discount=amount - taxable.amount,
            tax=money(_sum(taxes), currency),
            taxes=_with_amounts(taxable.taxes, taxes),
            total=taxable.amount + (0 if rules.tax_inclusive else _sum(taxes)),
        )
        for amount, taxable, taxes in zip(subtotals, taxables, of_lines, strict=False)
    ]
    shipping_tax = money(_sum(of_shipping), currency)
    tax = shipping_tax + _sum(line.tax for line in priced)
    amounts = OrderAmounts(
        subtotal=subtotal,
        shipping_cost=cost,
        shipping_tax=shipping_tax,
        shipping_taxes=_with_amounts(shipping.taxes, of_shipping),
        tax=money(tax, currency),
        total=bounded(subtotal - discount + cost + (0 if rules.tax_inclusive else tax)),
    )
    return amounts, priced


def _taxes(taxables: Sequence[Taxable], rules: Rules) -> list[list[Decimal]]:
    """Return the amount of each tax on each taxable."""
    if not rules.is_by_rate:
        return [[_of_line(each, rate, rules) for _, rate in each.rates()] for each in taxables]
    found = [[ZERO] * len(taxable.rates()) for taxable in taxables]
    places = defaultdict[tuple[str | None, Decimal], list[tuple[int, int]]](list)
    for n, taxable in enumerate(taxables):
        for k, tax in enumerate(taxable.rates()):
            places[tax].append((n, k))
    for where in places.values():
        exact_taxes = [_exact(taxables[n], k, rules) for n, k in where]
        whole = _rounded(sum(exact_taxes, Fraction(0)), rules)
        common = lcm(*(tax.denominator for tax in exact_taxes))
        shares = split(whole, [int(tax * common) for tax in exact_taxes], rules.currency)
        # Of a price that includes several taxes, all may be rounded up: they never exceed it.
        rooms = [taxables[n].amount - _sum(found[n]) for n, _ in where]
        excess = _sum(max(s - room, ZERO) for s, room in zip(shares, rooms, strict=True))
        for (n, k), share, room in zip(where, shares, rooms, strict=True):
            found[n][k] = share
            if rules.tax_inclusive:
                found[n][k] = min(share + excess, room)
                excess -= max(found[n][k] - share, ZERO)
    return found


def _of_line(taxable: Taxable, rate: Decimal, rules: Rules) -> Decimal:
    """Return a tax, rounded half up: or, if the price includes it, what is left without it."""
    tax = taxable.amount * rate
    if not rules.tax_inclusive:
        return money(tax, rules.currency)
    unit = Decimal(1).scaleb(-decimals(rules.currency))
    return (tax / (1 + taxable.tax_rate)).quantize(unit, ROUND_HALF_DOWN)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def _exact(taxable: Taxable, tax: int, rules: Rules) -> Fraction:
    _, rate = taxable.rates()[tax]
    amount = Fraction(taxable.amount) * Fraction(rate)
    return amount / (1 + Fraction(taxable.tax_rate)) if rules.tax_inclusive else amount


def _rounded(tax: Fraction, rules: Rules) -> Decimal:
    """Round the sum of a rate as `_of_line` rounds."""
    places = decimals(rules.currency)
    units = tax * 10**places
    count = ceil(units - HALF) if rules.tax_inclusive else floor(units + HALF)
    return Decimal(count).scaleb(-places)


def _expect_at_most(amount: Decimal, discount: Decimal, currency: str, place: str) -> None:
    """Raise DiscountTooLarge, or InexactAmount, if the discount cannot be taken off the amount."""
    if exact(discount, currency) > amount:
        raise DiscountTooLarge(
            f"The discount of {discount} on {place} exceeds the amount of {amount}."
        )


def _with_amounts(taxes: Sequence[Tax], amounts: Sequence[Decimal]) -> list[Tax]:
    # One tax without a name has an amount, and no entry.
    return [{**tax, "amount": str(amount)} for tax, amount in zip(taxes, amounts, strict=False)]


def set_amounts(order: "Order") -> None:
    """Set every amount of a new order and of its lines. Raises what `price` raises."""
    shipping = Shipping(
        price=order.shipping_cost,
        discount=order.shipping_discount,
        tax_rate=order.shipping_tax_rate,
        taxes=order.shipping_taxes,
    )
    rules = Rules(order.currency, order.tax_inclusive, order.tax_rounding == "rate")
    amounts, lines = price(order.lines, shipping, discount=order.discount, rules=rules)
    vars(order).update(amounts._asdict())
    for line, line_amounts in zip(order.lines, lines, strict=True):
        vars(line).update(line_amounts._asdict())
