"""What refunds are for, and what their credit notes take back: whatever happens, per line and rate.

The parts of refunds and the lines of credit notes are computed here without a database.
"""

from collections import Counter, defaultdict
from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.core.money import InexactAmount, decimals, line_amount, split
from invoices.models.lines import Creditable, by_tax_rate
from invoices.services import _credited, _lines
from orders.events import PaidUnits
from orders.exceptions import TooManyUnits, UnknownOrderItem
from orders.models import Order
from payments.events import RefundPart
from payments.exceptions import RefundExceedsPart, RefundSumDiffers
from payments.refund_parts import Refundable, as_goodwill, take, total

RATES = ("0", "0.07", "0.19", "0.0725")
QUEBEC = {"GST": "0.05", "QST": "0.09975"}
TAXES = (*RATES, QUEBEC, {"GST": "0.05"}, {"exemption": "export"}, {"A": "0.5", "B": "0.5"})


def taxes_at(rate):
    """Return the fields of a tax rate, of several named ones, or of an exemption."""
    if not isinstance(rate, dict):
        return {"tax_rate": Decimal(rate)}
    none = {"name": None, "rate": "0", "exemption": None, "note": None}
    if "exemption" in rate:
        return {"tax_rate": Decimal(0), "taxes": [none | rate]}
    taxes = [none | {"name": name, "rate": each} for name, each in rate.items()]
    return {"tax_rate": sum(map(Decimal, rate.values())), "taxes": taxes}


def order_of(*lines, discount="0", shipping="0", currency="EUR", **fields):
    """Return an order of (quantity, unit price, tax rate, discount)."""
    items = [
        {
            "variant_id": f"var_{n}",
            "title": f"Article {n}",
            "quantity": quantity,
            "unit_price": Decimal(price),
            "discount": {"amount": off[0]} if off else None,
            "preferred_warehouse_id": None,
            **taxes_at(rate),
        }
        for n, (quantity, price, rate, *off) in enumerate(lines)
    ]
    fields = {"shipping_tax_rate": Decimal("0.19"), **fields}
    return Order.open(
        items=items,
        currency=currency,
        discount=Decimal(discount),
        shipping_cost=Decimal(shipping),
        **fields,
    )


class Books:
    """An order that is paid, its refunds, and its invoice with the credit notes."""

    def __init__(self, order):
        self.order, self.currency = order, order.currency
        self.invoiced = [line.as_json(order.currency) for line in _lines(order)]
        self.left = order.total
        self.parts, self.notes, self.returned, self.caused = [], [], Counter(), defaultdict(list)

    @property
    def refundable(self):
        return Refundable(self.order, self.parts)

    def pay_back(self, parts):
        """Refund the parts as far as money is left, and issue the credit note; return it."""
        taken, _ = take(parts, self.left)
        amount = total(taken)
        if not amount:
            return []
        self.left -= amount
        self.parts += taken
        creditable = Creditable(self.invoiced, self.currency)
        for note in self.notes:
            creditable.subtract(note)
        lines = creditable.credit(amount, list(_credited(self.order, taken)))
        assert sum(line.total for line in lines) == amount
        assert all(line.net + line.tax == line.total for line in lines)
        for row in by_tax_rate(lines, self.currency):
            assert min(Decimal(row[name]) for name in ("net", "tax", "total")) >= 0
        self.notes.append([line.as_json() for line in lines])
        return lines

    def request(self, **given):
        return self.pay_back(self.refundable.requested(given))

    def write_off(self, line, quantity):
        line.cancelled += quantity
        paid = paid_units(line, quantity, line.paid_for_written_off(quantity))
        return self.pay_back(self.refundable.written_off([paid]))

    def take_back(self, line, quantity, fee="0"):
        """Accept a return of units of a line, and refund it less a fee."""
        first = self.returned[line.id] + 1
        value = line.paid_for(range(first, first + quantity))
        self.returned[line.id] += quantity
        amount = value - min(Decimal(fee), value)
        return self.pay_back(
            self.refundable.returned([paid_units(line, quantity, value)], amount, ())
        )

    def cancel(self):
        return self.pay_back(self.refundable.rest(self.left))

    def kept(self):
        """Return what the invoice leaves at each rate, and of each named tax: net and tax."""
        sums = {key: [Decimal(0)] * 2 for row in self.invoiced for key in taxes_in(row)}
        for sign, rows in ((1, self.invoiced), *((-1, note) for note in self.notes)):
            for row in rows:
                for key, tax in taxes_in(row).items():
                    net, taxes = sums[key]  # a KeyError: this was not charged
                    sums[key] = [net + sign * Decimal(row["net"]), taxes + sign * tax]
        return sums

    def kept_total(self):
        """Return the total of the invoice less that of the credit notes."""
        credited = sum(Decimal(row["total"]) for note in self.notes for row in note)
        return sum(Decimal(row["total"]) for row in self.invoiced) - credited


def taxes_in(row):
    """Return the amounts of a stored line's taxes by rate, or by name, rate and exemption."""
    named = {
        (tax["name"], tax["rate"], tax["exemption"]): Decimal(tax["amount"])
        for tax in row.get("taxes", ())
    }
    return named or {row["tax_rate"]: Decimal(row["tax"])}


def paid_units(line, quantity, amount):
    return PaidUnits(
        order_item_id=line.id, variant_id=line.variant_id, quantity=quantity, amount=amount
    )


def printed(lines):
    rows = [(line.kind, line.quantity, line.tax_rate, line.net, line.tax) for line in lines]
    return [" ".join(map(str, row)) for row in rows]


def item(line, quantity=1, amount=None):
    amount = amount if amount is None else Decimal(amount)
    return {"order_item_id": line.id, "quantity": quantity, "amount": amount}


def books(*lines, **given):
    found = Books(order_of(*lines, **given))
    return (found, *found.order.lines)


def shop():
    """A book of 10.00 at 7 %, a radio of 100.00 and shipping of 5.00 at 19 %."""
    return books((1, "10", "0.07"), (1, "100", "0.19"), shipping="5")


# Cases


def test_a_line_is_credited_at_its_own_rate():
    shop_books, book, _ = shop()
    assert printed(shop_books.request(items=[item(book)])) == ["item 1 0.07 10.00 0.70"]


def test_the_shipping_is_credited_at_its_own_rate():
    shop_books, *_ = shop()
    lines = shop_books.request(shipping=Decimal("5.95"))
    assert printed(lines) == ["shipping 0 0.19 5.00 0.95"]


def test_goodwill_is_split_over_what_is_left_at_each_rate():
    shop_books, book, _ = shop()
    shop_books.request(items=[item(book, 0, "5.35")])  # half of the book
    lines = shop_books.request(amount=Decimal("13.03"))
    shares = split(Decimal("13.03"), [Decimal("5.35"), Decimal("124.95")], "EUR")
    assert [(line.kind, line.total) for line in lines] == [("goodwill", each) for each in shares]


def test_a_fee_reduces_the_line_and_is_listed():
    shop_books, _, radio = shop()
    lines = shop_books.take_back(radio, 1, fee="11.90")
    assert printed(lines) == ["item 1 0.19 100.00 19.00", "fee 0 0.19 -10.00 -1.90"]


def test_a_fee_that_was_kept_can_be_refunded_later():
    shop_books, _, radio = shop()
    shop_books.take_back(radio, 1, fee="11.90")
    with pytest.raises(RefundExceedsPart, match=r"At most 11\.90 EUR"):
        shop_books.request(items=[item(radio, 0, "11.91")])
    assert printed(shop_books.request(items=[item(radio, 0, "11.90")])) == ["fee 0 0.19 10.00 1.90"]


def test_an_amount_below_the_price_keeps_the_rest_as_a_fee():
    shop_books, _, radio = shop()
    lines = shop_books.request(items=[item(radio, 1, "100")])
    assert printed(lines) == ["item 1 0.19 100.00 19.00", "fee 0 0.19 -15.97 -3.03"]


def test_a_part_of_the_price_leaves_the_units_to_be_returned_at_the_rest():
    shop_books, line = books((2, "50", "0.19"))
    shop_books.request(items=[item(line, 0, "19")])
    shop_books.take_back(line, 2)
    assert shop_books.left == 0
    assert shop_books.kept() == {"0.19": [0, 0]}


def test_units_that_were_refunded_by_an_operator_are_not_refunded_as_returned_or_written_off():
    shop_books, line = books((3, "10", "0.19"), (1, "100", "0.07"))[:2]
    shop_books.request(items=[item(line, 2)])
    assert printed(shop_books.take_back(line, 2)) == ["item 1 0.19 10.00 1.90"]
    assert shop_books.write_off(line, 1) == []
    with pytest.raises(TooManyUnits, match="available: 0"):
        shop_books.request(items=[item(line)])


def test_a_write_off_and_a_return_share_the_units_of_a_line():
    shop_books, line = books((3, "3.33", "0.19"))
    shop_books.write_off(line, 1)
    shop_books.take_back(line, 2)
    assert shop_books.left == 0
    assert shop_books.kept() == {"0.19": [0, 0]}


def test_a_cancellation_takes_back_what_is_left():
    shop_books, book, _ = shop()
    shop_books.request(items=[item(book, 1, "10")])
    lines = shop_books.cancel()
    assert printed(lines) == [
        "fee 0 0.07 0.65 0.05",
        "item 1 0.19 100.00 19.00",
        "shipping 0 0.19 5.00 0.95",
    ]
    assert shop_books.kept() == {"0.07": [0, 0], "0.19": [0, 0]}


def test_a_return_of_units_that_goodwill_has_reduced_is_credited_at_the_other_rates():
    """The customer has the full price of the book back, and the invoice has not as much at 7 %."""
    shop_books, book, _ = shop()
    shop_books.request(goodwill=Decimal("13.57"))  # a tenth
    lines = shop_books.take_back(book, 1)
    assert [(line.kind, line.total) for line in lines] == [
        ("item", Decimal("9.63")),
        ("goodwill", Decimal("1.07")),
    ]


@pytest.mark.parametrize(
    ("currency", "price", "paid"), [("JPY", "1300", "1430"), ("KWD", "1.234", "1.358")]
)
def test_amounts_have_the_decimals_of_their_currency(currency, price, paid):
    shop_books, line = books((3, price, "0.1"), currency=currency)
    (credited,) = shop_books.request(items=[item(line)])
    assert str(credited.total) == paid
    shop_books.request(items=[item(line, 2)])
    assert shop_books.kept() == {"0.1": [0, 0]}


REFUSALS = {
    "an unknown line": (
        lambda line: {"items": [{**item(line), "order_item_id": "item_no"}]},
        UnknownOrderItem,
        "item_no",
    ),
    "too many units": (
        lambda line: {"items": [item(line, 3)]},
        TooManyUnits,
        "available: 2; requested: 3",
    ),
    "too many units of a line that is listed twice": (
        lambda line: {"items": [item(line), item(line, 2)]},
        TooManyUnits,
        "available: 1",
    ),
    "more than the price of the units": (
        lambda line: {"items": [item(line, 1, "10.71")]},
        RefundExceedsPart,
        "At most 10.70 EUR",
    ),
    "more than the price of the line": (
        lambda line: {"items": [item(line, 0, "21.41")]},
        RefundExceedsPart,
        "At most 21.40 EUR",
    ),
    "too many decimals": (
        lambda line: {"items": [item(line, 1, "0.001")]},
        InexactAmount,
        "2 decimals",
    ),
    "more than the shipping": (
        lambda line: {"shipping": Decimal("5.96")},
        RefundExceedsPart,
        "5.95 EUR .* the shipping",
    ),
    "another sum": (
        lambda line: {"items": [item(line)], "amount": Decimal(10)},
        RefundSumDiffers,
        "sum to 10.70, not to 10",
    ),
    "another sum than the goodwill": (
        lambda line: {"goodwill": Decimal(1), "amount": Decimal(2)},
        RefundSumDiffers,
        "sum to 1.00",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_it_is_refused_to_refund(what):
    request_of, error, message = REFUSALS[what]
    shop_books, line = books((2, "10", "0.07"), shipping="5")
    with pytest.raises(error, match=message):
        shop_books.request(**request_of(line))


def test_free_units_alone_are_no_refund():
    shop_books, gift, _ = books((1, "0", "0.19"), (1, "10", "0.19"))
    with pytest.raises(RefundExceedsPart, match="Nothing is left"):
        shop_books.request(items=[item(gift)])


def test_a_cut_part_leaves_its_rest_without_units():
    part = RefundPart(kind="item", order_item_id="item_1", quantity=2, amount=Decimal(10))
    fee = RefundPart(kind="fee", order_item_id="item_1", quantity=0, amount=Decimal(-2))
    taken, rest = take([fee, part, *as_goodwill(Decimal(1))], Decimal(5))
    assert [(each.quantity, each.amount) for each in taken] == [(0, -2), (2, 7)]
    assert [(each.quantity, each.amount) for each in rest] == [(0, 3), (0, 1)]
    assert take(rest, Decimal(9)) == (rest, [])


def test_a_credit_note_of_the_first_version_counts_by_its_rates():
    shop_books, _, radio = shop()
    first = [
        {"tax_rate": "0.07", "net": "0.79", "tax": "0.05", "total": "0.84"},
        {"tax_rate": "0.19", "net": "8.29", "tax": "1.57", "total": "9.86"},
    ]
    shop_books.notes.append(first)
    shop_books.left -= Decimal("10.70")
    shop_books.request(items=[item(radio, 1, "100")])
    shop_books.cancel()
    assert shop_books.left == 0
    assert shop_books.kept() == {"0.07": [0, 0], "0.19": [0, 0]}


# Any mix

LINES = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(0, 9999),
        st.sampled_from(TAXES),
        st.integers(0, 100),
    ),
    min_size=1,
    max_size=4,
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("items", "price", "shipping", "goodwill", "written off", "returned")),
        st.integers(0, 3),
        st.integers(1, 4),
        st.integers(0, 100),
    ),
    max_size=8,
)


def happen(shop_books, name, at, quantity, percent):
    """Let an event happen to one of the lines, if it is possible; return the credit note."""
    line = shop_books.order.lines[at % len(shop_books.order.lines)]
    unit = Decimal(1).scaleb(-decimals(shop_books.currency))

    def part_of(amount):
        return (amount * percent / 100).quantize(unit)

    open_units = line.active_quantity - shop_books.returned[line.id]
    try:
        match name:
            case "items":
                amount = part_of(line.paid_for(range(1, min(quantity, line.quantity) + 1)))
                return shop_books.request(items=[item(line, quantity, amount or None)])
            case "price" if amount := part_of(line.total):
                return shop_books.request(items=[item(line, 0, amount)])
            case "shipping" if amount := part_of(Decimal(5)):
                return shop_books.request(shipping=amount)
            case "goodwill" if amount := part_of(shop_books.left):
                return shop_books.request(goodwill=amount)
            case "written off" if quantity <= open_units:
                return shop_books.write_off(line, quantity)
            case "returned" if quantity <= open_units:
                return shop_books.take_back(line, quantity, part_of(line.total / line.quantity))
    except (TooManyUnits, RefundExceedsPart):
        return []
    return []


@given(
    lines=LINES,
    percent=st.integers(0, 100),
    shipping=st.tuples(st.integers(0, 999), st.integers(0, 100), st.sampled_from(TAXES)),
    currency=st.sampled_from(("EUR", "JPY", "KWD")),
    tax_inclusive=st.booleans(),
    tax_rounding=st.sampled_from(("line", "rate")),
    events=EVENTS,
)
@settings(deadline=None, max_examples=400)
def test_the_invoice_less_its_credit_notes_is_what_is_kept(
    lines, percent, shipping, currency, tax_inclusive, tax_rounding, events
):
    """Prices of lines are in tenths of the smallest unit, so that some have more decimals."""
    unit = Decimal(1).scaleb(-decimals(currency))

    def part_of(amount, percent):
        return (amount * percent / 100).quantize(unit, ROUND_DOWN)

    rows, subtotal = [], Decimal(0)
    for quantity, price, taxes, off in lines:
        amount = line_amount(quantity, price * unit / 10, currency)
        rows.append((quantity, price * unit / 10, taxes, part_of(amount, off)))
        subtotal += amount - part_of(amount, off)
    cost, off, taxes = shipping
    of_shipping = {f"shipping_{name}": value for name, value in taxes_at(taxes).items()}
    order = order_of(
        *rows,
        discount=part_of(subtotal, percent),
        shipping=cost * unit,
        shipping_discount=part_of(cost * unit, off),
        currency=currency,
        tax_inclusive=tax_inclusive,
        tax_rounding=tax_rounding,
        **of_shipping,
    )
    shop_books, is_by_line = Books(order), True
    assert shop_books.kept_total() == order.total
    of_line = {line.id: n for n, line in enumerate(order.lines)}
    for event in events:
        note = happen(shop_books, *event)
        is_by_line = is_by_line and all(line.kind != "goodwill" for line in note)
        assert all(min(kept) >= 0 for kept in shop_books.kept().values()), "more than was charged"
        assert shop_books.kept_total() == shop_books.left
        if is_by_line:  # then each line keeps what is not refunded of it
            own = [Decimal(row["total"]) for row in shop_books.invoiced]
            for part in shop_books.parts:
                own[of_line.get(part.order_item_id, len(order.lines))] -= part.amount
            for note in shop_books.notes:
                for row in note:
                    own[row["line"] - 1] += Decimal(row["total"])
            assert own == [Decimal(row["total"]) for row in shop_books.invoiced]
    shop_books.cancel()
    assert shop_books.left == 0
    assert all(amounts == [0, 0] for amounts in shop_books.kept().values())
