from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.money import EvenParts, decimals, money, split

D = Decimal


def test_each_currency_has_its_number_of_decimals():
    assert [decimals(code) for code in ("USD", "JPY", "KWD", "CLF")] == [2, 0, 3, 4]


@pytest.mark.parametrize("code", ["", "usd", "XXQ", "XAU"])
def test_an_unknown_currency_is_refused(code):
    with pytest.raises(ValueError, match=r"currency|unit of account|valid"):
        decimals(code)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("125.5", "USD", "125.50"),
        ("0.005", "USD", "0.01"),
        ("2.5", "JPY", "3"),
        ("1", "KWD", "1.000"),
    ],
)
def test_rounding_is_half_up(amount, currency, rounded):
    assert str(money(D(amount), currency)) == rounded


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        ("10.00", [1, 1, 1], ["3.34", "3.33", "3.33"]),
        ("10.00", [1, 2], ["3.33", "6.67"]),
        ("0.02", [1, 1, 1], ["0.01", "0.01", "0.00"]),
        ("5.00", [0, 0], ["2.50", "2.50"]),
        ("5.00", [0, 1], ["0.00", "5.00"]),
        ("7.00", [D("99.90"), D("0.10")], ["6.99", "0.01"]),
    ],
)
def test_the_largest_remainders_are_rounded_up(amount, weights, parts):
    assert split(D(amount), weights, "USD") == [D(part) for part in parts]


@given(
    amount=st.decimals(0, 10**9, places=2),
    weights=st.lists(st.decimals(0, 10**6, places=4), min_size=1, max_size=20),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_the_parts_add_up_and_are_proportional(amount, weights, currency):
    parts = split(amount, weights, currency)
    unit = D(1).scaleb(-decimals(currency))
    whole, total = money(amount, currency), sum(weights)
    assert sum(parts) == whole
    for part, weight in zip(parts, weights, strict=True):
        fair = whole * weight / total if total else whole / len(weights)
        assert abs(part - fair) <= unit


@given(
    units=st.integers(0, 2000), parts=st.integers(1, 50), currency=st.sampled_from(["USD", "JPY"])
)
def test_even_parts_are_those_of_a_split(units, parts, currency):
    amount = D(units).scaleb(-decimals(currency))
    expected = split(amount, [1] * parts, currency)
    even = EvenParts.of(amount, parts, currency)
    assert [even.sum_of([number]) for number in range(1, parts + 1)] == expected
    assert [even.first(count) for count in range(parts + 1)] == [
        sum(expected[:count], D(0)) for count in range(parts + 1)
    ]


def test_a_million_units_have_prices_at_once():
    even = EvenParts.of(D("1000000.01"), 1_000_000, "USD")
    assert (even.first(1), even.sum_of([1, 2, 1_000_000])) == (D("1.01"), D("3.01"))
