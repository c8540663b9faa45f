"""Invoices and credit notes as PDF. The same row gives the same bytes, whenever it is rendered."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from config.core.money import money
from config.pdf.layout import Flow, Paper, address, sums, table, text
from invoices.models import CreditNote, Document, Invoice

REASONS = {
    "customer_return": "Goods returned",
    "order_cancelled": "Order cancelled",
    "units_written_off": "Units that could not be delivered",
}


def render(document: Document) -> bytes:
    """Return the PDF of an invoice or of a credit note."""
    invoice, note = document.invoice, document.credit_note
    return _credit_note(invoice, note) if note else _invoice(invoice)


def _invoice(invoice: Invoice) -> bytes:
    facts = [
        ("Invoice number", invoice.number),
        ("Invoice date", _date(invoice.issued_at)),
        ("Order", invoice.order_number),
        ("Order date", _date(invoice.ordered_at)),
        ("Currency", invoice.currency),
    ]
    totals = [("Subtotal", _amount(invoice.subtotal, invoice))]
    if invoice.discount:
        totals.append(("Discount", f"−{_amount(invoice.discount, invoice)}"))
        totals.append(("Net", _amount(invoice.subtotal - invoice.discount, invoice)))
    totals.append(("Tax", _amount(invoice.tax, invoice)))
    totals.append((f"Total {invoice.currency}", _amount(invoice.total, invoice)))
    return _paper(invoice, "Invoice", invoice.number, facts).pdf(
        lambda: [_lines(invoice), *_sums(totals, invoice.rates)]
    )


def _credit_note(invoice: Invoice, note: CreditNote) -> bytes:
    facts = [
        ("Credit note number", note.number),
        ("Credit note date", _date(note.issued_at)),
        ("For invoice", invoice.number),
        ("Invoice date", _date(invoice.issued_at)),
        ("Order", invoice.order_number),
        ("Reason", REASONS.get(note.reason, "Refund")),
        ("Currency", invoice.currency),
    ]
    totals = [
        ("Net", _amount(note.net, invoice)),
        ("Tax", _amount(note.tax, invoice)),
        (f"Total credited {invoice.currency}", _amount(note.total, invoice)),
    ]
    return _paper(invoice, "Credit note", note.number, facts).pdf(lambda: _sums(totals, note.rates))


def _paper(invoice: Invoice, title: str, number: str, facts: Sequence[tuple[str, str]]) -> Paper:
    seller = _party(invoice.seller)
    buyer = _party(invoice.buyer | {"email": invoice.customer_email or ""})
    return Paper(
        title=title,
        number=number,
        parties=[
            ("Seller", seller),
            ("Bill to", buyer or [f"Customer {invoice.customer_id or 'without a name'}"]),
        ],
        facts=facts,
        author=invoice.seller.get("name", ""),
        foot=invoice.seller.get("note", ""),
    )


def _party(party: Mapping[str, str]) -> list[str]:
    """Return who it is, a line for each part that is known."""
    tax_id = f"Tax id {party['tax_id']}" if party.get("tax_id") else None
    more = [tax_id, party.get("email"), party.get("phone")]
    return [*address(party), *filter(None, more)]


def _lines(invoice: Invoice) -> Flow:
    head = ["Item", "Quantity", "Unit price", "Discount", "Net", "Tax rate", "Tax", "Total"]
    rows = [
        [
            text(line["title"], below=line["variant_id"]),
            f"{line['quantity']:,}",
            _plain(line["unit_price"]),
            _plain(line["discount"]),
            _plain(line["net"]),
            _percent(line["tax_rate"]),
            _plain(line["tax"]),
            _plain(line["total"]),
        ]
        for line in invoice.lines
    ]
    return table([head, *rows], widths=[None, 15, 21, 19, 22, 15, 19, 23])


def _sums(totals: Sequence[tuple[str, str]], rates: Sequence[Mapping[str, str]]) -> list[Flow]:
    head = ["Tax rate", "Net", "Tax", "Total"]
    rows = [
        [_percent(row["tax_rate"]), *(_plain(row[name]) for name in ("net", "tax", "total"))]
        for row in rates
    ]
    return [sums(totals), table([head, *rows], widths=[26, 34, 34, 34])]


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _amount(amount: Decimal, invoice: Invoice) -> str:
    return _plain(str(money(amount, invoice.currency)))


def _plain(amount: str) -> str:
    """Return an amount with the decimals that it has: `1,234.50`."""
    return f"{Decimal(amount):,}"


def _percent(rate: Any) -> str:
    return f"{(Decimal(rate) * 100).normalize():f} %"
