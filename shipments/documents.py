"""A label as PDF, 10 × 15 cm. The same arguments always give the same bytes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from io import BytesIO

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepInFrame

from config.pdf.layout import BOLD, INK, REGULAR, register_fonts, text

SIZE = (100 * mm, 150 * mm)
MARGIN = 6 * mm
WIDTH = SIZE[0] - 2 * MARGIN
BAR_WIDTH = 0.38 * mm  # of the narrowest bar; scanners need at least 0.25 mm
ADDRESS_LINES = ("company", "line1", "line2")


def label(
    *,
    carrier: str,
    service: str,
    tracking_number: str,
    order_number: str,
    sender: Mapping[str, str | None],
    recipient: Mapping[str, str | None],
    weights: Sequence[Decimal],
    signature_required: bool,
    note: str,
) -> bytes:
    """Return a page for each package; `weights` are in kilograms."""
    register_fonts()
    out = BytesIO()
    canvas = Canvas(out, pagesize=SIZE, invariant=1, initialFontName=REGULAR)
    canvas.setTitle(f"{carrier} {tracking_number}")
    for number, weight in enumerate(weights, 1):
        details = [
            f"Order {order_number}",
            f"Parcel {number} of {len(weights)}",
            f"{weight.normalize():f} kg",
            *(["Signature required"] if signature_required else []),
        ]
        canvas.setStrokeColor(INK)
        _draw(
            canvas, [text(carrier, size=17, font=BOLD), text(service, size=11)], top=144, height=18
        )
        _rule(canvas, 125)
        _draw(canvas, [text("From", size=7), *_address(sender, size=8)], top=123, height=24)
        _rule(canvas, 98)
        _draw(canvas, [text("To", size=7), *_address(recipient, size=12)], top=96, height=40)
        _rule(canvas, 55)
        _draw(canvas, [text(" · ".join(details), size=8)], top=53, height=9)
        _rule(canvas, 43)
        _barcode(canvas, tracking_number)
        _draw(canvas, [text(note, size=7)], top=9, height=5)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _address(address: Mapping[str, str | None], *, size: float) -> list[Flowable]:
    place = (address.get(part) for part in ("postal_code", "city", "region", "country"))
    lines = [*(address.get(part) for part in ADDRESS_LINES), " ".join(filter(None, place))]
    name = address.get("name")
    head = [text(name, size=size, font=BOLD)] if name else []
    return [*head, *(text(line, size=size) for line in lines if line)]


def _draw(canvas: Canvas, flow: list[Flowable], *, top: float, height: float) -> None:
    """Draw a block below `top`, smaller if it is higher than `height`. Both are in millimeters."""
    block = KeepInFrame(WIDTH, height * mm, flow)
    _, drawn = block.wrapOn(canvas, WIDTH, height * mm)
    block.drawOn(canvas, MARGIN, top * mm - drawn)


def _rule(canvas: Canvas, at: float) -> None:
    canvas.line(MARGIN, at * mm, MARGIN + WIDTH, at * mm)


def _barcode(canvas: Canvas, tracking_number: str) -> None:
    bars = Code128(tracking_number, barHeight=22 * mm, barWidth=BAR_WIDTH, quiet=False)
    bars.drawOn(canvas, (SIZE[0] - bars.width) / 2, 18 * mm)
    canvas.setFillColor(INK)
    canvas.setFont(BOLD, 11)
    canvas.drawCentredString(SIZE[0] / 2, 12 * mm, tracking_number)
