"""Invoices and credit notes as PDF. Rendering a row again gives the same bytes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any

from config.core.money import money
from config.pdf.language import Language, address
from config.pdf.rendering import render as render_template
from invoices.models import CreditNote, Document, Invoice

REASONS = {
    "customer_return": "Goods returned",
    "order_cancelled": "Order cancelled",
    "units_written_off": "Units that could not be delivered",
}
LABELS = {
    "page": "Page {page} of {pages}",
    "carried_forward": "Carried forward",
    "brought_forward": "Brought forward",
}


def render(document: Document) -> bytes:
    """Return the PDF of an invoice or of a credit note. Raises NotPrintable."""
    invoice, note = document.invoice, document.credit_note
    language = Language("en", country=invoice.buyer.get("country"))
    data = _credit_note(invoice, note, language) if note else _invoice(invoice, language)
    template = "credit_note" if note else "invoice"
    return render_template(template, data, organization_id=invoice.organization_id)


def _invoice(invoice: Invoice, language: Language) -> dict[str, Any]:
    text = language.text

    def amount(value: Decimal) -> str:
        return language.number(money(value, invoice.currency))

    totals = [(text("Subtotal"), amount(invoice.subtotal))]
    if invoice.discount:
        totals.append((text("Discount"), f"−{amount(invoice.discount)}"))
        totals.append((text("Net"), amount(invoice.subtotal - invoice.discount)))
    totals.append((text("Tax"), amount(invoice.tax)))
    totals.append((text("Total {currency}", currency=invoice.currency), amount(invoice.total)))
    return {
        **language.document(labels=LABELS, created_at=invoice.issued_at),
        **_parties(invoice, language),
        "title": text("Invoice"),
        "number": invoice.number,
        "details": [
            (text("Invoice number"), invoice.number),
            (text("Invoice date"), language.date(invoice.issued_at)),
            (text("Order"), invoice.order_number),
            (text("Order date"), language.date(invoice.ordered_at)),
            (text("Currency"), invoice.currency),
        ],
        **_lines(invoice, language),
        "totals": totals,
        "rates": _rates(invoice.rates, language),
    }


def _credit_note(invoice: Invoice, note: CreditNote, language: Language) -> dict[str, Any]:
    text = language.text

    def amount(value: Decimal) -> str:
        return language.number(money(value, invoice.currency))

    return {
        **language.document(labels=LABELS, created_at=note.issued_at),
        **_parties(invoice, language),
        "title": text("Credit note"),
        "number": note.number,
        "details": [
            (text("Credit note number"), note.number),
            (text("Credit note date"), language.date(note.issued_at)),
            (text("For invoice"), invoice.number),
            (text("Invoice date"), language.date(invoice.issued_at)),
            (text("Order"), invoice.order_number),
            (text("Reason"), text(REASONS.get(note.reason, "Refund"))),
            (text("Currency"), invoice.currency),
        ],
        "totals": [
            (text("Net"), amount(note.net)),
            (text("Tax"), amount(note.tax)),
            (text("Total credited {currency}", currency=invoice.currency), amount(note.total)),
        ],
        "rates": _rates(note.rates, language),
    }


def _parties(invoice: Invoice, language: Language) -> dict[str, Any]:
    buyer = _party(invoice.buyer | {"email": invoice.customer_email or ""}, language)
    if not buyer:
        customer = invoice.customer_id or language.text("without a name")
        buyer = {"customer": language.text("Customer {customer}", customer=customer)}
    return {
        "author": invoice.seller.get("name", ""),
        "footer": invoice.seller.get("note", ""),
        "parties": [
            {"label": language.text("Seller"), "lines": _party(invoice.seller, language)},
            {"label": language.text("Bill to"), "lines": buyer},
        ],
    }


def _party(party: Mapping[str, str], language: Language) -> dict[str, str]:
    """Return the lines of a seller or buyer: one for each part that is known."""
    lines = address(party)
    if party.get("tax_id"):
        lines["tax_id"] = language.text("Tax id {tax_id}", tax_id=party["tax_id"])
    return lines | {name: party[name] for name in ("email", "phone") if party.get(name)}


def _lines(invoice: Invoice, language: Language) -> dict[str, Any]:
    number, percent = language.number, language.percent
    carried = accumulate(Decimal(line["total"]) for line in invoice.lines)
    columns = ("Item", "Quantity", "Unit price", "Discount", "Net", "Tax rate", "Tax", "Total")
    return {
        "columns": [language.text(column) for column in columns],
        "lines": [
            {
                "title": line["title"],
                "variant_id": line["variant_id"],
                "cells": [
                    number(line["quantity"]),
                    number(line["unit_price"]),
                    number(line["discount"]),
                    number(line["net"]),
                    percent(line["tax_rate"]),
                    number(line["tax"]),
                    number(line["total"]),
                ],
                "carried": number(total),
            }
            for line, total in zip(invoice.lines, carried, strict=True)
        ],
    }


def _rates(rates: Sequence[Mapping[str, str]], language: Language) -> dict[str, Any]:
    number, percent = language.number, language.percent
    return {
        "columns": [language.text(column) for column in ("Tax rate", "Net", "Tax", "Total")],
        "rows": [
            [percent(row["tax_rate"]), *(number(row[name]) for name in ("net", "tax", "total"))]
            for row in rates
        ],
    }
