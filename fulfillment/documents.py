"""The warehouse's PDF documents: the pick list and the packing slip."""

from typing import Any

from django.utils.translation import gettext_noop as _

import invoices.selectors
from config.pdf.barcodes import code128
from config.pdf.language import Language, address
from config.pdf.rendering import render
from fulfillment.models import Fulfillment

HOLDS = {
    "fraud": _("Suspected fraud"),
    "address": _("Address to be checked"),
    "payment": _("Payment to be checked"),
    "dispute": _("Payment disputed"),
    "reservation": _("No answer from Inventory"),
    "manual": _("Held by an operator"),
}


def pick_list(fulfillment: Fulfillment) -> bytes:
    """Return a PDF of the units still to be picked. Raises NotPrintable."""
    language = _language(fulfillment)
    text = language.text
    lines = [line for line in fulfillment.lines if line.unpicked_quantity]
    details = [
        (text("Warehouse"), fulfillment.warehouse_id or text("not known yet")),
        (text("Picked by"), fulfillment.assigned_to or text("not assigned yet")),
        (text("Units to pick"), language.number(sum(line.unpicked_quantity for line in lines))),
    ]
    data = {
        "title": text("Pick list"),
        "columns": [text("Item"), text("Code"), text("To pick"), text("Done")],
        "lines": [
            {
                "title": line.title,
                "variant_id": line.variant_id,
                "code": code128(line.variant_id),
                "quantity": language.number(line.unpicked_quantity),
            }
            for line in lines
        ],
    }
    empty = text("Everything is picked.")
    return _render("pick_list", fulfillment, language, data, details, empty)


def packing_slip(fulfillment: Fulfillment) -> bytes:
    """Return a PDF of the packed units, without prices. Raises NotPrintable."""
    language = _language(fulfillment, fulfillment.order.locale)
    text = language.text
    lines = [line for line in fulfillment.lines if line.picked_quantity]
    packages, weight = len(fulfillment.packages), fulfillment.total_weight
    unpacked = text("not packed yet")
    details = [
        (text("Packages"), language.number(packages) if packages else unpacked),
        (text("Weight"), f"{language.weight(weight)} kg" if weight else unpacked),
        (text("Units"), language.number(sum(line.picked_quantity for line in lines))),
    ]
    data = {
        "title": text("Packing slip"),
        "columns": [text("Item"), text("Quantity")],
        "lines": [
            {
                "title": line.title,
                "variant_id": line.variant_id,
                "quantity": language.number(line.picked_quantity),
            }
            for line in lines
        ],
    }
    empty = text("Nothing is picked yet.")
    return _render("packing_slip", fulfillment, language, data, details, empty)


def _language(fulfillment: Fulfillment, locale: str | None = None) -> Language:
    """Return a language, by default the organization's, with the characters of the recipient."""
    seller = invoices.selectors.seller(fulfillment.organization_id)
    where = fulfillment.order.shipping_address or {}
    return Language(locale or seller.get("language", "en"), country=where.get("country"))


def _render(
    template: str,
    fulfillment: Fulfillment,
    language: Language,
    data: dict[str, Any],
    details: list[tuple[str, str]],
    empty: str,
) -> bytes:
    order, text = fulfillment.order, language.text
    if order.is_held():
        hold = text("ON HOLD")
        data["title"] += f" · {hold}"
        reason = text(HOLDS[order.hold_reason or "manual"])
        details = [(text("On hold"), ": ".join(filter(None, (reason, order.hold_note)))), *details]
    if order.shipping_address:
        lines = address(order.shipping_address)
    elif order.local_id:
        lines = {"shop": text("Handed over in {shop}", shop=order.local_id)}
    else:
        lines = {"shop": text("No address")}
    return render(
        template,
        {
            **language.document(created_at=order.placed_at or order.created_at),
            **data,
            "empty": empty,
            "number": order.number,
            "code": code128(order.number),
            "author": "",
            "parties": [{"label": text("Ship to"), "lines": lines}],
            "details": [(text("Order"), order.number), *details],
            "footer": fulfillment.id,
        },
        organization_id=fulfillment.organization_id,
    )
