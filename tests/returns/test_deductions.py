"""What is deducted from a refund. Runs without a database."""

from decimal import Decimal

import pytest

from returns.deductions import Deductions


@pytest.mark.parametrize(
    ("fee", "postage", "value", "refund"),
    [
        ("0", "0", "50.00", "50.00"),
        ("0.15", "0", "50.00", "42.50"),
        ("0", "4.90", "50.00", "45.10"),
        ("0.15", "4.90", "50.00", "37.60"),
        ("0.0001", "0", "50.00", "49.99"),  # the fee of 0.005 is rounded up
        ("1", "0", "50.00", "0"),
        ("0", "60", "50.00", "0"),
        ("0.10", "4.00", "25.00", "18.50"),
    ],
)
def test_the_fee_and_the_postage_are_deducted(fee, postage, value, refund):
    terms = Deductions(restocking_fee=Decimal(fee), postage=Decimal(postage), currency="USD")
    assert terms.max_refund(Decimal(value)) == Decimal(refund)


def test_the_fee_has_the_decimals_of_the_currency():
    terms = Deductions(restocking_fee=Decimal("0.15"), postage=Decimal(0), currency="JPY")
    assert terms.max_refund(Decimal(1299)) == 1104
