"""Invoices and credit notes as PDF. Rendering a row again gives the same bytes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import accumulate
from typing import Any

from django.utils.translation import gettext_noop as _

from config.core.money import money
from config.pdf.language import Language, address
from config.pdf.rendering import render as render_template
from invoices import einvoices
from invoices.models import CreditNote, Document, Invoice

REASONS = {
    "customer_return": _("Goods returned"),
    "order_cancelled": _("Order cancelled"),
    "units_written_off": _("Units that could not be delivered"),
    CreditNote.REPLACED: _("Invoice cancelled and issued anew"),
}
OTHER_REASON = _("Refund")
EXEMPTIONS = {
    "exempt": _("Exempt from tax"),
    "export": _("Export"),
    "intra_community": _("Intra-community supply"),
    "reverse_charge": _("Reverse charge"),
    "zero_rated": _("Zero rated"),
}
TERMS = (
    _("Paid in full"),
    _("Payment authorized"),
    _("Payable by bank transfer"),
    _("Cash on delivery"),
)
INCLUSIVE = _("Prices include tax.")
SHIPPING = _("Shipping")  # the title of a line, before the carrier
COLUMNS = (
    _("Item"),
    _("Quantity"),
    _("Unit price"),
    _("Discount"),
    _("Net"),
    _("Tax rate"),
    _("Tax"),
    _("Total"),
)
CREDIT_COLUMNS = ("Item", "Quantity", "Net", "Tax rate", "Tax", "Total")
FEE = _("Retained: {title}")
GOODWILL = _("Goodwill")
RATE_COLUMNS = ("Tax rate", "Net", "Tax", "Total")


def render(document: Document) -> bytes:
    """Return the PDF of an invoice or of a credit note. Raises NotPrintable."""
    invoice, note = document.invoice, document.credit_note
    language = Language(language_of(invoice), country=invoice.buyer.get("country"))
    row = note or invoice
    data = {
        **language.document(created_at=row.issued_at),
        **_parties(invoice, language),
        "number": row.number,
        **_rates(row.rates, invoice, language),
        **(_credit_note(invoice, note, language) if note else _invoice(invoice, language)),
    }
    template = "credit_note" if note else "invoice"
    if einvoices.obstacle(invoice, note) is None:
        data["xml"] = einvoices.xml(invoice, note)
    pdf = render_template(template, data, organization_id=invoice.organization_id)
    return einvoices.embed(pdf, data["number"]) if "xml" in data else pdf


def language_of(invoice: Invoice) -> str:
    """Return the language of an invoice, its credit notes and its mails."""
    return invoice.locale or str(invoice.seller.get("language", "en"))


def _invoice(invoice: Invoice, language: Language) -> dict[str, Any]:
    text, amount = language.text, partial(_amount, invoice, language)
    totals = [(text("Subtotal"), amount(invoice.subtotal))]
    if invoice.discount:
        names = dict.fromkeys(n for line in invoice.lines for n in line.get("discount_codes", ()))
        label = " ".join([text("Discount"), *([f"({', '.join(names)})"] if names else [])])
        totals.append((label, f"−{amount(invoice.discount)}"))
    if invoice.discount or invoice.tax_inclusive:
        totals.append((text("Net"), amount(invoice.total - invoice.tax)))
    totals.append((text("Tax"), amount(invoice.tax)))
    totals.append((text("Total {currency}", currency=invoice.currency), amount(invoice.total)))
    if invoice.due:
        totals.append((text("Paid"), amount(invoice.total - invoice.due)))
        totals.append((text("Amount due"), amount(invoice.due)))
    return {
        "title": text("Invoice"),
        "details": [
            (text("Invoice number"), invoice.number),
            (text("Invoice date"), language.date(invoice.issued_on)),
            *_related(text("Replaces invoice"), invoice.replaces, language),
            *_order(invoice, language),
            (text("Order date"), language.date(invoice.ordered_on)),
            (text("Date of supply"), text("On dispatch")),
            (text("Payment terms"), text(invoice.get_payment_terms_display())),
            *([(text("Due date"), language.date(invoice.due_on))] if invoice.due_on else []),
            (text("Currency"), invoice.currency),
        ],
        **_lines(invoice, language),
        "totals": totals,
    }


def _credit_note(invoice: Invoice, note: CreditNote, language: Language) -> dict[str, Any]:
    text, amount = language.text, partial(_amount, invoice, language)
    replaced = _related(text("Replaced by invoice"), invoice.replaced_by, language)
    return {
        "title": text("Credit note"),
        "details": [
            (text("Credit note number"), note.number),
            (text("Credit note date"), language.date(note.issued_on)),
            (text("For invoice"), invoice.number),
            (text("Invoice date"), language.date(invoice.issued_on)),
            *_order(invoice, language),
            (text("Reason"), text(REASONS.get(note.reason, OTHER_REASON))),
            *(replaced if note.reason == CreditNote.REPLACED else []),
            (text("Currency"), invoice.currency),
        ],
        **_credit_lines(note, language),
        "totals": [
            (text("Net"), amount(note.net)),
            (text("Tax"), amount(note.tax)),
            (text("Total credited {currency}", currency=invoice.currency), amount(note.total)),
        ],
    }


def _order(invoice: Invoice, language: Language) -> list[tuple[str, str]]:
    numbers = [(language.text("Order"), invoice.order_number)]
    if invoice.purchase_order_number:
        numbers.append((language.text("Purchase order"), invoice.purchase_order_number))
    return numbers


def _related(label: str, other: Invoice | None, language: Language) -> list[tuple[str, str]]:
    return [(label, f"{other.number} ({language.date(other.issued_on)})")] if other else []


def _amount(invoice: Invoice, language: Language, value: Decimal) -> str:
    return language.number(money(value, invoice.currency))


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
    number = language.number
    carried = accumulate(Decimal(line["total"]) for line in invoice.lines)
    return {
        "columns": [language.text(column) for column in COLUMNS],
        "lines": [
            {
                "title": _title(line, language),
                "variant_id": line["variant_id"],
                "cells": [
                    number(line["quantity"]),
                    number(line["unit_price"]),
                    number(line["discount"]),
                    number(line["net"]),
                    _percent(line, language),
                    number(line["tax"]),
                    number(line["total"]),
                ],
                "carried": number(total),
            }
            for line, total in zip(invoice.lines, carried, strict=True)
        ],
    }


def _credit_lines(note: CreditNote, language: Language) -> dict[str, Any]:
    """Return what is taken back; nothing for a credit note of the first version."""
    number = language.number
    carried = accumulate(Decimal(line["total"]) for line in note.lines)
    return {
        "columns": [language.text(column) for column in CREDIT_COLUMNS],
        "lines": [
            {
                "title": _credit_title(line, language),
                "variant_id": line["variant_id"],
                "cells": [
                    number(line["quantity"]) if line["quantity"] else "",
                    number(line["net"]),
                    _percent(line, language),
                    number(line["tax"]),
                    number(line["total"]),
                ],
                "carried": number(total),
            }
            for line, total in zip(note.lines, carried, strict=True)
        ],
    }


def _credit_title(line: Mapping[str, str | None], language: Language) -> str:
    if line["kind"] == "goodwill":
        return language.text(GOODWILL)
    title = _title(line, language)
    return language.text(FEE, title=title) if line["kind"] == "fee" else title


def _title(line: Mapping[str, str | None], language: Language) -> str:
    title = str(line["title"])
    is_shipping = line["variant_id"] is None
    return title.replace(SHIPPING, language.text(SHIPPING), 1) if is_shipping else title


def _percent(line: Mapping[str, Any], language: Language) -> str:
    """Return the rate of a line, or its named taxes: `GST 5% + QST 9.975%`."""
    named = [tax for tax in line.get("taxes", ()) if tax["name"]]
    taxes = [f"{tax['name']} {language.percent(tax['rate'])}" for tax in named]
    return " + ".join(taxes) or language.percent(line["tax_rate"])


def _rates(
    rates: Sequence[Mapping[str, str]], invoice: Invoice, language: Language
) -> dict[str, Any]:
    number, text = language.number, language.text
    reasons = []
    for row in rates:
        if exemption := row.get("exemption"):
            reasons.append(": ".join(filter(None, [text(EXEMPTIONS[exemption]), row["note"]])))
        elif not Decimal(row["tax_rate"]):
            reasons.append(invoice.seller.get("untaxed_reason", ""))
    if invoice.tax_inclusive:
        reasons.append(text(INCLUSIVE))
    return {
        "rates": {
            "columns": [text(column) for column in RATE_COLUMNS],
            "rows": [
                [
                    " ".join(filter(None, [row.get("name"), language.percent(row["tax_rate"])])),
                    *(number(row[name]) for name in ("net", "tax", "total")),
                ]
                for row in rates
            ],
        },
        "untaxed_reason": "; ".join(filter(None, reasons)),
    }
