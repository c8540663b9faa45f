"""The warehouse's PDF documents: the pick list and the packing slip."""

from typing import Any

from config.pdf.barcodes import code128
from config.pdf.language import Language, address
from config.pdf.rendering import render
from fulfillment.models import Fulfillment

PAGE = "Page {page} of {pages}"


def pick_list(fulfillment: Fulfillment) -> bytes:
    """Return a PDF of the units still to be picked. Raises NotPrintable."""
    lines = [line for line in fulfillment.lines if line.unpicked_quantity]
    details = [
        ("Warehouse", fulfillment.warehouse_id or "not known yet"),
        ("Picked by", fulfillment.assigned_to or "not assigned yet"),
        ("Units to pick", str(sum(line.unpicked_quantity for line in lines))),
    ]
    data = {
        "title": "Pick list",
        "columns": ["Item", "Code", "To pick", "Done"],
        "lines": [
            {
                "title": line.title,
                "variant_id": line.variant_id,
                "code": code128(line.variant_id),
                "quantity": str(line.unpicked_quantity),
            }
            for line in lines
        ],
    }
    return _render("pick_list", fulfillment, data, details, empty="Everything is picked.")


def packing_slip(fulfillment: Fulfillment) -> bytes:
    """Return a PDF of the packed units, without prices. Raises NotPrintable."""
    lines = [line for line in fulfillment.lines if line.picked_quantity]
    weight = fulfillment.total_weight
    details = [
        ("Packages", str(len(fulfillment.packages) or "not packed yet")),
        ("Weight", f"{weight.normalize():f} kg" if weight else "not packed yet"),
        ("Units", str(sum(line.picked_quantity for line in lines))),
    ]
    data = {
        "title": "Packing slip",
        "columns": ["Item", "Quantity"],
        "lines": [
            {
                "title": line.title,
                "variant_id": line.variant_id,
                "quantity": str(line.picked_quantity),
            }
            for line in lines
        ],
    }
    return _render("packing_slip", fulfillment, data, details, empty="Nothing is picked yet.")


def _render(
    template: str,
    fulfillment: Fulfillment,
    data: dict[str, Any],
    details: list[tuple[str, str]],
    *,
    empty: str,
) -> bytes:
    order = fulfillment.order
    if order.is_held():
        data["title"] += " · ON HOLD"
        details = [("On hold", order.hold_summary), *details]
    where = order.shipping_address
    if where:
        lines = address(where)
    else:
        lines = {"shop": f"Handed over in {order.local_id}" if order.local_id else "No address"}
    language = Language("en", country=where and where.get("country"))
    labels = {"page": PAGE, "empty": empty}
    return render(
        template,
        {
            **language.document(labels=labels, created_at=order.placed_at or order.created_at),
            **data,
            "number": order.number,
            "code": code128(order.number),
            "author": "",
            "parties": [{"label": "Ship to", "lines": lines}],
            "details": [("Order", order.number), *details],
            "footer": fulfillment.id,
        },
        organization_id=fulfillment.organization_id,
    )
