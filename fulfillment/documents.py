"""What a warehouse prints: what to take from the shelf, and what the customer finds inside."""

from collections.abc import Sequence

from config.pdf.layout import Flow, Paper, address, table, text
from fulfillment.models import Fulfillment, FulfillmentItem


def pick_list(fulfillment: Fulfillment) -> bytes:
    """Return the PDF of what is still to be picked."""
    lines = [line for line in fulfillment.lines if line.unpicked]
    facts = [
        ("Warehouse", fulfillment.warehouse_id or "not known yet"),
        ("Picked by", fulfillment.assigned_to or "nobody yet"),
        ("Units to pick", str(sum(line.unpicked for line in lines))),
    ]

    def story() -> list[Flow]:
        rows = [[_item(line), str(line.unpicked), "□"] for line in lines]
        if not rows:
            return [text("Everything is picked.")]
        return [table([["Item", "To pick", "Done"], *rows], widths=[None, 20, 20])]

    return _paper(fulfillment, "Pick list", facts).pdf(story)


def packing_slip(fulfillment: Fulfillment) -> bytes:
    """Return the PDF of what is in the packages."""
    lines = [line for line in fulfillment.lines if line.picked]
    weight = fulfillment.total_weight
    facts = [
        ("Packages", str(len(fulfillment.packages) or "not packed yet")),
        ("Weight", f"{weight.normalize():f} kg" if weight else "not packed yet"),
        ("Units", str(sum(line.picked for line in lines))),
    ]

    def story() -> list[Flow]:
        rows = [[_item(line), str(line.picked)] for line in lines]
        if not rows:
            return [text("Nothing is picked yet.")]
        return [table([["Item", "Quantity"], *rows], widths=[None, 20])]

    return _paper(fulfillment, "Packing slip", facts).pdf(story)


def _paper(fulfillment: Fulfillment, title: str, facts: Sequence[tuple[str, str]]) -> Paper:
    order = fulfillment.order
    shop = [f"Handed over in {order.local_id}"] if order.local_id else ["No address"]
    where = address(order.shipping_address) if order.shipping_address else shop
    return Paper(
        title=title,
        number=order.number,
        parties=[("Ship to", where)],
        facts=[("Order", order.number), *facts],
        author="",
        foot=fulfillment.id,
    )


def _item(line: FulfillmentItem) -> Flow:
    return text(line.title, below=line.variant_id)
