"""Invoices and credit notes as PDF. Rendering a row again gives the same bytes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from reportlab.platypus import Flowable

from config.core.money import money
from config.pdf.layout import PdfDocument, address, table, text, totals
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
    details = [
        ("Invoice number", invoice.number),
        ("Invoice date", _date(invoice.issued_at)),
        ("Order", invoice.order_number),
        ("Order date", _date(invoice.ordered_at)),
        ("Currency", invoice.currency),
    ]
    amounts = [("Subtotal", _amount(invoice.subtotal, invoice))]
    if invoice.discount:
        amounts.append(("Discount", f"−{_amount(invoice.discount, invoice)}"))
        amounts.append(("Net", _amount(invoice.subtotal - invoice.discount, invoice)))
    amounts.append(("Tax", _amount(invoice.tax, invoice)))
    amounts.append((f"Total {invoice.currency}", _amount(invoice.total, invoice)))
    return _document(invoice, "Invoice", invoice.number, details).render(
        lambda: [_lines(invoice), *_totals(amounts, invoice.rates)]
    )


def _credit_note(invoice: Invoice, note: CreditNote) -> bytes:
    details = [
        ("Credit note number", note.number),
        ("Credit note date", _date(note.issued_at)),
        ("For invoice", invoice.number),
        ("Invoice date", _date(invoice.issued_at)),
        ("Order", invoice.order_number),
        ("Reason", REASONS.get(note.reason, "Refund")),
        ("Currency", invoice.currency),
    ]
    amounts = [
        ("Net", _amount(note.net, invoice)),
        ("Tax", _amount(note.tax, invoice)),
        (f"Total credited {invoice.currency}", _amount(note.total, invoice)),
    ]
    return _document(invoice, "Credit note", note.number, details).render(
        lambda: _totals(amounts, note.rates)
    )


def _document(
    invoice: Invoice, title: str, number: str, details: Sequence[tuple[str, str]]
) -> PdfDocument:
    seller = _party(invoice.seller)
    buyer = _party(invoice.buyer | {"email": invoice.customer_email or ""})
    return PdfDocument(
        title=title,
        number=number,
        parties=[
            ("Seller", seller),
            ("Bill to", buyer or [f"Customer {invoice.customer_id or 'without a name'}"]),
        ],
        details=details,
        author=invoice.seller.get("name", ""),
        footer=invoice.seller.get("note", ""),
    )


def _party(party: Mapping[str, str]) -> list[str]:
    """Return the lines of a seller or buyer: one for each part that is known."""
    tax_id = f"Tax id {party['tax_id']}" if party.get("tax_id") else None
    contact = [tax_id, party.get("email"), party.get("phone")]
    return [*address(party), *filter(None, contact)]


def _lines(invoice: Invoice) -> Flowable:
    header = ["Item", "Quantity", "Unit price", "Discount", "Net", "Tax rate", "Tax", "Total"]
    rows = [
        [
            text(line["title"], below=line["variant_id"]),
            f"{line['quantity']:,}",
            _grouped(line["unit_price"]),
            _grouped(line["discount"]),
            _grouped(line["net"]),
            _percent(line["tax_rate"]),
            _grouped(line["tax"]),
            _grouped(line["total"]),
        ]
        for line in invoice.lines
    ]
    return table([header, *rows], widths=[None, 15, 21, 19, 22, 15, 19, 23])


def _totals(
    amounts: Sequence[tuple[str, str]], rates: Sequence[Mapping[str, str]]
) -> list[Flowable]:
    header = ["Tax rate", "Net", "Tax", "Total"]
    rows = [
        [_percent(row["tax_rate"]), *(_grouped(row[name]) for name in ("net", "tax", "total"))]
        for row in rates
    ]
    return [totals(amounts), table([header, *rows], widths=[26, 34, 34, 34])]


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _amount(amount: Decimal, invoice: Invoice) -> str:
    return _grouped(str(money(amount, invoice.currency)))


def _grouped(amount: str) -> str:
    """Return an amount with its decimals and thousands separators: `1,234.50`."""
    return f"{Decimal(amount):,}"


def _percent(rate: str) -> str:
    return f"{(Decimal(rate) * 100).normalize():f} %"
