"""Money is a Decimal with its currency's own number of decimals."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import models
from iso4217 import Currency

from config.core.exceptions import DomainError

MAX_DECIMALS = 4  # of all currencies of ISO 4217
# Units of account, and so neither gold nor “no currency”.
CURRENCIES = sorted(currency.code for currency in Currency if currency.exponent is not None)
MAX_DIGITS = 15  # as many as SQLite, which computes with floats, keeps exactly


class CurrencyField(models.CharField):
    """An ISO 4217 code: `USD`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "max_length": 3})


class MoneyField(models.DecimalField):
    """An amount below 10¹¹ in the currency that stands beside it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "max_digits": MAX_DIGITS, "decimal_places": MAX_DECIMALS})


class TaxRateField(models.DecimalField):
    """A fraction of the net amount: 0.19 is 19 %."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"default": Decimal(0), **kwargs, "max_digits": 7, "decimal_places": 6})


class InexactAmount(DomainError):
    """An amount that does not exist in its currency."""

    code = "inexact_amount"


class AmountTooLarge(DomainError):
    """An amount that cannot be kept exactly."""

    code = "amount_too_large"


def decimals(currency: str) -> int:
    """Return how many decimals a currency has. Raises ValueError for what is no currency."""
    exponent = Currency(currency).exponent
    if exponent is None:
        raise ValueError(f"{currency} has no unit of account.")
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


def bounded(amount: Decimal) -> Decimal:
    """Return the amount. Raises AmountTooLarge if a MoneyField cannot keep it."""
    if amount >= Decimal(10) ** (MAX_DIGITS - MAX_DECIMALS):
        raise AmountTooLarge(f"{amount} is too large an amount: split the order.")
    return amount


def split(amount: Decimal, weights: Sequence[Decimal | int], currency: str) -> list[Decimal]:
    """Split an amount in proportion to the weights, so that the parts sum to it exactly.

    What rounding leaves over goes, a smallest unit each, to the largest remainders; the earlier
    part wins a tie. Weights that are all zero count as equal.
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
