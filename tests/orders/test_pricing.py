"""The amounts of an order. Runs without a database."""

from decimal import ROUND_DOWN, Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.core.money import (
    AmountTooLarge,
    InexactAmount,
    PriceTooExact,
    decimals,
    line_amount,
)
from orders import pricing
from orders.exceptions import DiscountTooLarge

LARGEST = Decimal(10) ** 11 - 1


def line(quantity=2, unit_price="25.00", tax_rate="0", discount="0"):
    return SimpleNamespace(
        variant_id="var_1",
        quantity=quantity,
        unit_price=Decimal(unit_price),
        tax_rate=Decimal(tax_rate),
        taxes=[],
        line_discount=Decimal(discount),
    )


def price(*lines, discount="0", currency="USD", inclusive=False, by_rate=False, **shipping):
    """Price an order; `cost`, `off` and `rate` are those of its shipping."""
    return pricing.price(
        lines or [line()],
        pricing.Shipping(
            price=Decimal(shipping.get("cost", 0)),
            discount=Decimal(shipping.get("off", 0)),
            tax_rate=Decimal(shipping.get("rate", 0)),
            taxes=shipping.get("taxes", ()),
        ),
        discount=Decimal(discount),
        rules=pricing.Rules(currency, inclusive, by_rate),
    )


def taxed(*rates, **fields):
    """Return a line with several taxes: name and rate of each."""
    found = line(**fields)
    found.taxes = [tax(name, rate) for name, rate in rates]
    found.tax_rate = sum(Decimal(rate) for _, rate in rates)
    return found


def tax(name, rate):
    return {"name": name, "rate": rate, "exemption": None, "note": None}


GST_QST = (("GST", "0.05"), ("QST", "0.09975"))


def test_the_discount_is_split_in_proportion_to_the_lines():
    shirt, mug = price(line(3), line(1, "5.10"), discount="3.33")[1]
    assert (shirt.subtotal, shirt.discount, shirt.total) == (
        75,
        Decimal("3.12"),
        Decimal("71.88"),
    )
    assert (mug.subtotal, mug.discount, mug.total) == (
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
    amounts, (item,) = price(line(tax_rate="0.19"), cost="5.00", rate="0.19", discount="10.00")
    assert amounts.tax == item.tax + Decimal("0.95")
    assert amounts.shipping_tax == Decimal("0.95")
    assert amounts.total == Decimal("53.55") == item.total + 5 + amounts.shipping_tax


def test_a_currency_without_decimals_has_none():
    amounts, _ = price(line(2, "1299", "0.1"), currency="JPY")
    assert str(amounts.total) == "2858"


@pytest.mark.parametrize(
    ("lines", "total", "tax"),
    [
        ([line(1, "14.89", "0.21")], "14.89", "2.58"),
        ([line(3, "15.00", "0.19")], "45.00", "7.18"),
        ([line(1, "0.15", "0.2")], "0.15", "0.02"),  # net 0.125, which is rounded half up
        ([line(1, "0.01", "0.19")], "0.01", "0.00"),
    ],
)
def test_a_price_that_includes_tax_is_charged_as_it_is(lines, total, tax):
    for by_rate in (False, True):
        amounts, _ = price(*lines, inclusive=True, by_rate=by_rate)
        assert (amounts.total, amounts.tax) == (Decimal(total), Decimal(tax))


def test_the_tax_of_a_rate_is_that_of_its_sum_and_the_lines_sum_to_it():
    lines = [line(1, "0.05", "0.19")] * 100
    assert price(*lines)[0].tax == Decimal("1.00")
    amounts, priced = price(*lines, by_rate=True)
    assert amounts.tax == Decimal("0.95") == sum(line.tax for line in priced)
    assert {line.tax for line in priced} == {Decimal("0.01"), Decimal("0.00")}
    assert amounts.total == Decimal("5.95") == sum(line.total for line in priced)


def test_the_shipping_shares_the_tax_of_its_rate():
    amounts, (item,) = price(line(1, "0.05", "0.19"), cost="0.05", rate="0.19", by_rate=True)
    assert (amounts.tax, item.tax, amounts.shipping_tax) == (
        Decimal("0.02"),
        Decimal("0.01"),
        Decimal("0.01"),
    )


def test_each_of_several_taxes_is_rounded_on_its_own():
    amounts, (item,) = price(taxed(*GST_QST, quantity=1, unit_price="19.99"))
    assert [each["amount"] for each in item.taxes] == ["1.00", "1.99"]
    assert (item.tax, amounts.total) == (Decimal("2.99"), Decimal("22.98"))
    amounts, (item,) = price(taxed(*GST_QST, quantity=1, unit_price="22.98"), inclusive=True)
    assert [each["amount"] for each in item.taxes] == ["1.00", "1.99"]
    assert (item.tax, amounts.total) == (Decimal("2.99"), Decimal("22.98"))


def test_taxes_with_one_rate_and_two_names_are_rounded_apart():
    lines = [taxed(("GST", "0.05"), quantity=1, unit_price="0.10")] * 3
    lines += [taxed(("PST", "0.05"), quantity=1, unit_price="0.10")] * 3
    amounts, _ = price(*lines, by_rate=True)
    assert amounts.tax == Decimal("0.04")  # 0.015 is rounded twice; once, it would be 0.03


def test_the_discount_of_a_line_reduces_its_tax_and_its_share_of_the_orders():
    amounts, (shirt, mug) = price(
        line(1, "20", "0.19", discount="10"), line(1, "10", "0.07"), discount="4"
    )
    assert (shirt.discount, shirt.tax, shirt.total) == (12, Decimal("1.52"), Decimal("9.52"))
    assert (mug.discount, mug.tax, mug.total) == (2, Decimal("0.56"), Decimal("8.56"))
    assert (amounts.subtotal, amounts.total) == (20, Decimal("18.08"))


def test_shipping_can_be_free():
    amounts, _ = price(line(1, "20", "0.19"), cost="5", off="5", rate="0.19")
    assert (amounts.shipping_cost, amounts.shipping_tax, amounts.total) == (0, 0, Decimal("23.80"))


@pytest.mark.parametrize(
    ("lines", "terms", "place"),
    [
        ([line(), line(discount="50.01")], {}, r"50\.01 on line 2 \(var_1\) exceeds .* 50\.00"),
        ([], {"cost": "5", "off": "5.01"}, r"5\.01 on the shipping exceeds the amount of 5"),
        ([line(discount="10")], {"discount": "40.01"}, r"40\.01 on the items exceeds .* 40\.00"),
    ],
)
def test_a_discount_that_is_too_large_is_refused_with_its_place(lines, terms, place):
    with pytest.raises(DiscountTooLarge, match=place):
        price(*lines, **terms)


@pytest.mark.parametrize(
    ("lines", "terms", "error"),
    [
        ([], {"discount": "50.01"}, DiscountTooLarge),
        ([], {"discount": "0.001"}, InexactAmount),
        ([], {"cost": "0.001"}, InexactAmount),
        ([], {"cost": "1", "off": "0.001"}, InexactAmount),
        ([line(discount="0.001")], {}, InexactAmount),
        ([line(unit_price="0.0000001")], {}, PriceTooExact),
        ([line(unit_price="12345678901.12345")], {}, PriceTooExact),
        ([line(unit_price=LARGEST)], {}, AmountTooLarge),
        ([], {"cost": LARGEST}, AmountTooLarge),
        ([line(1, LARGEST)], {"cost": "9", "discount": "99"}, AmountTooLarge),
    ],
)
def test_invalid_amounts_are_refused(lines, terms, error):
    with pytest.raises(error):
        price(*lines, **terms)


# Any mix

AMOUNTS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 3000),
        st.sampled_from([(), (("GST", "0.05"),), GST_QST, (("A", "0.5"), ("B", "0.5"))]),
        st.sampled_from(["0", "0.07", "0.19", "1"]),
        st.integers(0, 100),
    ),
    min_size=1,
    max_size=12,
)


@given(
    amounts=AMOUNTS,
    percent=st.integers(0, 100),
    cost=st.integers(0, 999),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    inclusive=st.booleans(),
    by_rate=st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_the_lines_sum_to_the_order_whatever_the_prices(
    amounts, percent, cost, currency, inclusive, by_rate
):
    unit = Decimal(1).scaleb(-decimals(currency))
    lines = []
    for quantity, price_, taxes, rate, off in amounts:
        each = taxed(*taxes, quantity=quantity) if taxes else line(quantity, tax_rate=rate)
        each.unit_price = price_ * unit / 10
        subtotal = line_amount(quantity, each.unit_price, currency)
        each.line_discount = (subtotal * off / 100).quantize(unit, ROUND_DOWN)
        lines.append(each)
    whole = sum(line_amount(e.quantity, e.unit_price, currency) - e.line_discount for e in lines)
    order, priced = price(
        *lines,
        discount=(whole * percent / 100).quantize(unit, ROUND_DOWN),
        currency=currency,
        inclusive=inclusive,
        by_rate=by_rate,
        cost=cost * unit,
        rate="0.19",
    )
    shipping = order.shipping_cost + (0 if inclusive else order.shipping_tax)
    assert order.total == sum(e.total for e in priced) + shipping
    assert order.tax == sum(e.tax for e in priced) + order.shipping_tax
    for given_, each in zip(lines, priced, strict=True):
        net = each.total - each.tax
        assert min(net, each.tax, each.discount - given_.line_discount) >= 0
        assert each.total == each.subtotal - each.discount + (0 if inclusive else each.tax)
        assert not each.taxes or each.tax == sum(Decimal(tax["amount"]) for tax in each.taxes)
        if not by_rate:
            exact = net * given_.tax_rate
            assert abs(each.tax - exact) <= unit * max(1, len(each.taxes))
