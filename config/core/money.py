"""Amounts of money: Decimals with the number of decimals that their currency has."""

from collections.abc import Collection, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple, Self

from django.db import models
from iso4217 import Currency

from config.core.exceptions import DomainError

MAX_DECIMALS = 4  # of all currencies of ISO 4217
MAX_PRICE_DECIMALS = 6  # of a price of one unit, such as 0.495 a litre
# Without the codes of ISO 4217 that are no currency, such as gold (XAU).
CURRENCIES = sorted(currency.code for currency in Currency if currency.exponent is not None)
MAX_DIGITS = 15  # what SQLite, which computes with floats, stores exactly


class CurrencyField(models.CharField):
    """An ISO 4217 code: `USD`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "max_length": 3})


class MoneyField(models.DecimalField):
    """An amount below 10¹¹, in the currency of another column of the row."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "max_digits": MAX_DIGITS, "decimal_places": MAX_DECIMALS})


class UnitPriceField(models.DecimalField):
    """A price of one unit, below 10¹¹: it may have more decimals than its currency."""

    def __init__(self, **kwargs: Any) -> None:
        digits = MAX_DIGITS - MAX_DECIMALS + MAX_PRICE_DECIMALS
        decimals = MAX_PRICE_DECIMALS
        super().__init__(**{**kwargs, "max_digits": digits, "decimal_places": decimals})


class TaxRateField(models.DecimalField):
    """A fraction of the net amount: 0.19 is 19 %."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"default": Decimal(0), **kwargs, "max_digits": 7, "decimal_places": 6})


class InexactAmount(DomainError):
    """An amount has more decimals than its currency."""

    code = "inexact_amount"
    example = "12.505 has more than the 2 decimals of USD."


class PriceTooExact(DomainError):
    """A unit price has more than 6 decimals, or more than 15 significant digits."""

    code = "price_too_exact"
    example = "A unit price has at most 6 decimals and 15 digits: 12345678901.123456 has too many."


class AmountTooLarge(DomainError):
    """An amount is too large to be stored exactly."""

    code = "amount_too_large"
    example = "100000000000.00 is too large. Split the order."


def decimals(currency: str) -> int:
    """Return the number of decimals of a currency. Raises ValueError for an unknown code."""
    exponent = Currency(currency).exponent
    if exponent is None:
        raise ValueError(f"{currency} is no currency.")
    return exponent


def money(amount: Decimal, currency: str) -> Decimal:
    """Return the amount rounded half up to the currency's decimals: `125.50`, `1300` for JPY."""
    unit = Decimal(1).scaleb(-decimals(currency))
    return amount.quantize(unit, rounding=ROUND_HALF_UP)


def exact(amount: Decimal, currency: str) -> Decimal:
    """Return the amount with the currency's decimals. Raises InexactAmount if it has more."""
    rounded = money(amount, currency)
    if rounded != amount:
        raise InexactAmount(
            f"{amount} has more than the {decimals(currency)} decimals of {currency}."
        )
    return rounded


def unit_price(price: Decimal, currency: str) -> Decimal:
    """Return a price of one unit with the currency's decimals, or as many more as it needs."""
    rounded = money(price, currency)
    return rounded if rounded == price else price.normalize()


def storable_price(price: Decimal) -> Decimal:
    """Return the price of one unit. Raises PriceTooExact if it cannot be stored exactly."""
    _, digits, exponent = price.normalize().as_tuple()
    if -int(exponent) > MAX_PRICE_DECIMALS or len(digits) > MAX_DIGITS:
        raise PriceTooExact(
            f"A unit price has at most {MAX_PRICE_DECIMALS} decimals and {MAX_DIGITS} digits: "
            f"{price} has too many."
        )
    return price


def bounded(amount: Decimal) -> Decimal:
    """Return the amount. Raises AmountTooLarge if a MoneyField cannot store it."""
    if amount >= Decimal(10) ** (MAX_DIGITS - MAX_DECIMALS):
        raise AmountTooLarge(f"{amount} is too large. Split the order.")
    return amount


def line_amount(quantity: int, unit_price: Decimal, currency: str) -> Decimal:
    """Return quantity × unit price, rounded half up to the currency's decimals.

    Raises PriceTooExact, AmountTooLarge.
    """
    return bounded(money(quantity * storable_price(unit_price), currency))


class EvenParts(NamedTuple):
    """Equal parts of an amount, as `split` makes them: the first `larger` have a `unit` more."""

    share: Decimal
    larger: int
    unit: Decimal

    @classmethod
    def of(cls, amount: Decimal, parts: int, currency: str) -> Self:
        """Split an amount into equal parts."""
        unit = Decimal(1).scaleb(-decimals(currency))
        share, larger = divmod(int(money(amount, currency) / unit), parts)
        return cls(share * unit, larger, unit)

    def first(self, count: int) -> Decimal:
        """Return the sum of the first parts."""
        return count * self.share + min(count, self.larger) * self.unit

    def sum_of(self, numbers: Collection[int]) -> Decimal:
        """Return the sum of parts, given by their numbers from 1."""
        larger = sum(number <= self.larger for number in numbers)
        return len(numbers) * self.share + larger * self.unit


def split(amount: Decimal, weights: Sequence[Decimal | int], currency: str) -> list[Decimal]:
    """Split an amount in proportion to the weights, so that the parts add up to it exactly.

    The parts with the largest remainders are rounded up, by the currency's smallest unit; of equal
    remainders, the earlier part. If all weights are zero, they count as equal.
    """
    unit = Decimal(1).scaleb(-decimals(currency))
    whole = sum(weights)
    shares = weights if whole else [1] * len(weights)
    total = whole or len(weights)
    units = int(money(amount, currency) / unit)
    parts = [divmod(units * share, total) for share in shares]
    counts = [int(count) for count, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda i: (-parts[i][1], i))
    for i in by_remainder[: units - sum(counts)]:
        counts[i] += 1
    return [count * unit for count in counts]
