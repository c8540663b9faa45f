"""Amounts by tax rate: the sums of the lines."""

from decimal import Decimal

from invoices.models.lines import Line, by_tax_rate


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
