"""The amounts of an order. Runs without a database."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from config.core.money import AmountTooLarge, InexactAmount
from orders import pricing
from orders.exceptions import DiscountTooLarge

LARGEST = Decimal(10) ** 11 - 1


def line(quantity=2, unit_price="25.00", tax_rate="0"):
    return SimpleNamespace(
        quantity=quantity, unit_price=Decimal(unit_price), tax_rate=Decimal(tax_rate)
    )


def price(*lines, discount="0", shipping_cost="0", shipping_tax_rate="0", currency="USD"):
    return pricing.price(
        lines or [line()],
        discount=Decimal(discount),
        shipping_cost=Decimal(shipping_cost),
        shipping_tax_rate=Decimal(shipping_tax_rate),
        currency=currency,
    )


def test_the_discount_is_split_in_proportion_to_the_net():
    shirt, mug = price(line(3), line(1, "5.10"), discount="3.33")[1]
    assert (shirt.net, shirt.discount, shirt.total) == (75, Decimal("3.12"), Decimal("71.88"))
    assert (mug.net, mug.discount, mug.total) == (
        Decimal("5.10"),
        Decimal("0.21"),
        Decimal("4.89"),
    )


def test_tax_is_on_the_discounted_net_rounded_half_up_per_line():
    _, (shirt, mug) = price(
        line(3, tax_rate="0.19"), line(1, "5.10", tax_rate="0.07"), discount="3.33"
    )
    assert (shirt.tax, mug.tax) == (Decimal("13.66"), Decimal("0.34"))


def test_totals_include_shipping_and_its_tax():
    amounts, (item,) = price(
        line(tax_rate="0.19"), shipping_cost="5.00", shipping_tax_rate="0.19", discount="10.00"
    )
    assert amounts == (50, 5, Decimal("0.95"), item.tax + Decimal("0.95"), Decimal("53.55"))
    assert amounts.total == item.total + amounts.shipping_cost + amounts.shipping_tax


def test_a_currency_without_decimals_has_none():
    amounts, _ = price(line(2, "1299", "0.1"), currency="JPY")
    assert str(amounts.total) == "2858"


@pytest.mark.parametrize(
    ("lines", "terms", "error"),
    [
        ([], {"discount": "50.01"}, DiscountTooLarge),
        ([], {"discount": "0.001"}, InexactAmount),
        ([], {"shipping_cost": "0.001"}, InexactAmount),
        ([line(unit_price="0.001")], {}, InexactAmount),
        ([line(unit_price=LARGEST)], {}, AmountTooLarge),
        ([], {"shipping_cost": LARGEST}, AmountTooLarge),
        ([line(1, LARGEST)], {"shipping_cost": "9", "discount": "99"}, AmountTooLarge),
    ],
)
def test_invalid_amounts_are_refused(lines, terms, error):
    with pytest.raises(error):
        price(*lines, **terms)
