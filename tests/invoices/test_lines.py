"""Amounts by tax rate: the sums of the lines, and the split of a credit."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from invoices.models.lines import Line, by_tax_rate, split_credit

amounts = st.integers(1, 10**6)
rates = st.lists(st.tuples(amounts, st.integers(0, 100)), min_size=1, max_size=5)


def line(**fields):
    amounts = {"unit_price": "10", "discount": "0", "net": "10", "tax": "1.90", "total": "11.90"}
    amounts |= {"tax_rate": "0.190"} | fields
    values = {name: Decimal(value) for name, value in amounts.items()}
    return Line(title="A shirt", variant_id="var_1", quantity=1, **values)


def test_a_line_is_stored_with_its_amounts_as_printed():
    stored = line().as_json("USD")
    assert (stored["unit_price"], stored["total"], stored["tax_rate"]) == ("10.00", "11.90", "0.19")
    assert (stored["title"], stored["variant_id"], stored["quantity"]) == ("A shirt", "var_1", 1)


def test_lines_are_summed_by_tax_rate():
    untaxed = line(tax_rate="0", tax="0", total="10")
    assert by_tax_rate([line(), untaxed, line()], "USD") == [
        {"tax_rate": "0", "net": "10.00", "tax": "0.00", "total": "10.00"},
        {"tax_rate": "0.19", "net": "20.00", "tax": "3.80", "total": "23.80"},
    ]


@given(rates=rates, shares=st.lists(st.integers(1, 1000), max_size=6))
@settings(deadline=None)
def test_the_credit_notes_of_a_full_refund_sum_to_the_invoice(rates, shares):
    invoiced = []
    for number, (net, percent) in enumerate(rates):
        tax = net * percent // 100
        row = {"net": net, "tax": tax, "total": net + tax}
        text = {name: str(Decimal(cents).scaleb(-2)) for name, cents in row.items()}
        invoiced.append({"tax_rate": f"0.{number}", **text})
    left = sum(Decimal(row["total"]) for row in invoiced)
    notes = []
    for share in [*shares, None]:  # the last share is the rest
        amount = left if share is None else min(left, Decimal(share))
        if amount:
            note = split_credit(amount, invoiced=invoiced, credited=notes, currency="USD")
            assert sum(Decimal(row["total"]) for row in note) == amount
            notes.append(note)
            left -= amount
    for row in rows_of(notes):
        assert Decimal(row["net"]) + Decimal(row["tax"]) == Decimal(row["total"])
        assert min(Decimal(row["net"]), Decimal(row["tax"])) >= 0
    for row in invoiced:
        same = [each for each in rows_of(notes) if each["tax_rate"] == row["tax_rate"]]
        for name in ("net", "tax", "total"):
            assert sum(Decimal(each[name]) for each in same) == Decimal(row[name])


def rows_of(notes):
    return [row for note in notes for row in note]
