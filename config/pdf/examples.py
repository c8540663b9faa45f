"""An example of each document: the data that its template gets, to try a template before use."""

from datetime import UTC, datetime
from typing import Any

from config.pdf.barcodes import code128, qr
from config.pdf.language import Language

_SELLER = {"name": "Casa Luna", "line1": "Av. Reforma 1", "place": "06600 Ciudad de México, MX"}
_BUYER = {"name": "Ana Gómez", "line1": "Calle 5 de Mayo 12", "place": "72000 Puebla, MX"}
_ITEM = {"title": "A cotton shirt, blue", "variant_id": "var_1"}
_PAPER = {
    "author": "Casa Luna",
    "footer": "Bank account MX12 3456",
    "details": [("Order", "ORD-2026-0001"), ("Currency", "MXN")],
}
_BILL = {
    "parties": [{"label": "Seller", "lines": _SELLER}, {"label": "Bill to", "lines": _BUYER}],
    "totals": [("Net", "40.00"), ("Tax", "6.40"), ("Total MXN", "46.40")],
    "rates": {
        "columns": ["Tax rate", "Net", "Tax", "Total"],
        "rows": [["16%", "40.00", "6.40", "46.40"]],
    },
    "untaxed_reason": "Exempt from tax",
    "xml": "<Invoice/>",  # only if the document has an electronic invoice
}
_GOODS = {
    "number": "ORD-2026-0001",
    "code": code128("ORD-2026-0001"),
    "parties": [{"label": "Ship to", "lines": _BUYER}],
    "empty": "Nothing is picked yet.",
}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "invoice": {
        **_PAPER,
        **_BILL,
        "title": "Invoice",
        "number": "INV-2026-0001",
        "columns": ["Item", "Quantity", "Price", "Discount", "Net", "Tax rate", "Tax", "Total"],
        "lines": [
            {
                **_ITEM,
                "cells": ["2", "25.00", "10.00", "40.00", "16%", "6.40", "46.40"],
                "carried": "46.40",
            }
        ]
        * 40,
    },
    "credit_note": {
        **_PAPER,
        **_BILL,
        "title": "Credit note",
        "number": "CN-2026-0001",
        "columns": ["Item", "Quantity", "Net", "Tax rate", "Tax", "Total"],
        "lines": [
            {**_ITEM, "cells": ["2", "40.00", "16%", "6.40", "46.40"], "carried": "46.40"},
        ],
    },
    "pick_list": {
        **_PAPER,
        **_GOODS,
        "title": "Pick list",
        "columns": ["Item", "Code", "To pick", "Done"],
        "lines": [{**_ITEM, "code": code128("var_1"), "quantity": "2"}] * 30,
    },
    "packing_slip": {
        **_PAPER,
        **_GOODS,
        "title": "Packing slip",
        "columns": ["Item", "Quantity"],
        "lines": [{**_ITEM, "quantity": "2"}],
    },
    "label": {
        "title": "Carrier",
        "number": "1Z999",
        "author": "",
        "carrier": "Carrier",
        "service": "Ground",
        "code": code128("1Z999"),
        "qr": qr("1Z999"),
        "sender": _SELLER,
        "recipient": _BUYER,
        "packages": [["Order ORD-2026-0001", "Parcel 1 of 1", "2.5 kg"]],
        "note": "Test label: not valid for shipping.",
    },
}


def example(document: str) -> dict[str, Any]:
    """Return the data of an example of a document, in English."""
    language = Language("en").document(created_at=datetime(2026, 1, 2, tzinfo=UTC))
    return {**language, **_EXAMPLES[document]}
