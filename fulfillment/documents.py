"""The warehouse's PDF documents: the pick list and the packing slip."""

from collections.abc import Sequence

from reportlab.platypus import Flowable

from config.pdf.layout import PdfDocument, address, table, text
from fulfillment.models import Fulfillment, FulfillmentItem


def pick_list(fulfillment: Fulfillment) -> bytes:
    """Return a PDF of the units still to be picked."""
    lines = [line for line in fulfillment.lines if line.unpicked_quantity]
    details = [
        ("Warehouse", fulfillment.warehouse_id or "not known yet"),
        ("Picked by", fulfillment.assigned_to or "not assigned yet"),
        ("Units to pick", str(sum(line.unpicked_quantity for line in lines))),
    ]

    def story() -> list[Flowable]:
        rows = [[_item(line), str(line.unpicked_quantity), "□"] for line in lines]
        if not rows:
            return [text("Everything is picked.")]
        return [table([["Item", "To pick", "Done"], *rows], widths=[None, 20, 20])]

    return _document(fulfillment, "Pick list", details).render(story)


def packing_slip(fulfillment: Fulfillment) -> bytes:
    """Return a PDF of the packed units, without prices."""
    lines = [line for line in fulfillment.lines if line.picked_quantity]
    weight = fulfillment.total_weight
    details = [
        ("Packages", str(len(fulfillment.packages) or "not packed yet")),
        ("Weight", f"{weight.normalize():f} kg" if weight else "not packed yet"),
        ("Units", str(sum(line.picked_quantity for line in lines))),
    ]

    def story() -> list[Flowable]:
        rows = [[_item(line), str(line.picked_quantity)] for line in lines]
        if not rows:
            return [text("Nothing is picked yet.")]
        return [table([["Item", "Quantity"], *rows], widths=[None, 20])]

    return _document(fulfillment, "Packing slip", details).render(story)


def _document(
    fulfillment: Fulfillment, title: str, details: Sequence[tuple[str, str]]
) -> PdfDocument:
    order = fulfillment.order
    if order.is_held():
        title, details = f"{title} · ON HOLD", [("On hold", order.hold_summary), *details]
    shop = [f"Handed over in {order.local_id}"] if order.local_id else ["No address"]
    where = address(order.shipping_address) if order.shipping_address else shop
    return PdfDocument(
        title=title,
        number=order.number,
        parties=[("Ship to", where)],
        details=[("Order", order.number), *details],
        author="",
        footer=fulfillment.id,
    )


def _item(line: FulfillmentItem) -> Flowable:
    return text(line.title, below=line.variant_id)
