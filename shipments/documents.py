"""A label as PDF, 10 × 15 cm. The same shipment gives the same bytes, whenever it is rendered."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepInFrame

from config.pdf.layout import BOLD, INK, REGULAR, register_fonts, text

SIZE = (100 * mm, 150 * mm)
MARGIN = 6 * mm
WIDTH = SIZE[0] - 2 * MARGIN
BAR = 0.38 * mm  # the narrowest; scanners ask for a quarter of a millimetre
LINES = ("company", "line1", "line2")


def label(
    *,
    carrier: str,
    service: str,
    tracking_number: str,
    order_number: str,
    sender: Mapping[str, Any],
    recipient: Mapping[str, Any],
    weights: Sequence[Decimal],
    signature_required: bool,
    note: str,
) -> bytes:
    """Return a page for each parcel, of which the kilograms are given."""
    register_fonts()
    out = BytesIO()
    canvas = Canvas(out, pagesize=SIZE, invariant=1, initialFontName=REGULAR)
    canvas.setTitle(f"{carrier} {tracking_number}")
    for number, weight in enumerate(weights, 1):
        facts = [
            f"Order {order_number}",
            f"Parcel {number} of {len(weights)}",
            f"{weight.normalize():f} kg",
            *(["Signature required"] if signature_required else []),
        ]
        canvas.setStrokeColor(INK)
        _put(canvas, [text(carrier, size=17, font=BOLD), text(service, size=11)], top=144, high=18)
        _rule(canvas, 125)
        _put(canvas, [text("From", size=7), *_address(sender, size=8)], top=123, high=24)
        _rule(canvas, 98)
        _put(canvas, [text("To", size=7), *_address(recipient, size=12)], top=96, high=40)
        _rule(canvas, 55)
        _put(canvas, [text(" · ".join(facts), size=8)], top=53, high=9)
        _rule(canvas, 43)
        _barcode(canvas, tracking_number)
        _put(canvas, [text(note, size=7)], top=9, high=5)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _address(address: Mapping[str, Any], *, size: float) -> list[Flowable]:
    place = (address.get(name) for name in ("postal_code", "city", "region", "country"))
    lines = [*(address.get(name) for name in LINES), " ".join(filter(None, place))]
    name = address.get("name")
    head = [text(name, size=size, font=BOLD)] if name else []
    return [*head, *(text(line, size=size) for line in lines if line)]


def _put(canvas: Canvas, flow: list[Flowable], *, top: float, high: float) -> None:
    """Draw a block from a height down; what does not fit is drawn smaller. In millimetres."""
    block = KeepInFrame(WIDTH, high * mm, flow)
    _, height = block.wrapOn(canvas, WIDTH, high * mm)
    block.drawOn(canvas, MARGIN, top * mm - height)


def _rule(canvas: Canvas, at: float) -> None:
    canvas.line(MARGIN, at * mm, MARGIN + WIDTH, at * mm)


def _barcode(canvas: Canvas, tracking_number: str) -> None:
    bars = Code128(tracking_number, barHeight=22 * mm, barWidth=BAR, quiet=False)
    bars.drawOn(canvas, (SIZE[0] - bars.width) / 2, 18 * mm)
    canvas.setFillColor(INK)
    canvas.setFont(BOLD, 11)
    canvas.drawCentredString(SIZE[0] / 2, 12 * mm, tracking_number)
