"""The layout of A4 documents: a header on the first page, tables, and a footer on each page."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    KeepInFrame,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

FONTS = Path(__file__).resolve().parent / "fonts"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
FALLBACK = "DroidSansFallbackFull"  # has the Chinese, Japanese and Korean characters
MARGIN, FOOTER = 18 * mm, 26 * mm
WIDTH = A4[0] - 2 * MARGIN
PADDING = 6  # points; reportlab adds it inside the margins of a page
INK, GRAY, RULE = HexColor("#1c2430"), HexColor("#667085"), HexColor("#d0d5dd")


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """reportlab makes so many small objects that looking for cycles would double its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Canvas(Canvas):  # type: ignore[misc]  # reportlab has no types
    """Keeps its pages until the last one is laid out, because each footer has their number."""

    def __init__(
        self, draw_footer: Callable[[Canvas, int, int], None], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._draw_footer = draw_footer
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self._pages.append(self.__dict__.copy())
        self._startPage()

    def save(self) -> None:
        pages = self._pages
        for number, state in enumerate(pages, 1):
            self.__dict__.update(state)
            self._draw_footer(self, number, len(pages))
            super().showPage()
        super().save()


@dataclass(frozen=True, kw_only=True)
class PdfDocument:
    """A document with a header, a footer and page numbers. `details` are pairs of label and value.

    The same content gives the same bytes.
    """

    title: str
    number: str
    parties: Sequence[tuple[str, Sequence[str]]]
    details: Sequence[tuple[str, str]]
    author: str
    footer: str

    def render(self, story: Callable[[], Sequence[Flowable]]) -> bytes:
        """Return the PDF with the tables that `story` returns when the fonts are registered."""
        register_fonts()
        with _without_garbage_collection():
            return self._lay_out(story())

    def _lay_out(self, story: Sequence[Flowable]) -> bytes:
        out = BytesIO()
        template = SimpleDocTemplate(
            out,
            pagesize=A4,
            leftMargin=MARGIN - PADDING,
            rightMargin=MARGIN - PADDING,
            topMargin=MARGIN,
            bottomMargin=FOOTER,
            title=f"{self.title} {self.number}",
            author=self.author,
            invariant=1,
            initialFontName=REGULAR,  # the default would name a font that is not embedded
        )

        def canvas(*args: Any, **kwargs: Any) -> _Canvas:
            return _Canvas(self._draw_footer, *args, **kwargs)

        template.build([*self._header(), *story], canvasmaker=canvas)
        return out.getvalue()

    def _header(self) -> list[Flowable]:
        parties = [[_small(label), *map(text, lines)] for label, lines in self.parties]
        rows = [[_small(label), text(value)] for label, value in self.details]
        details = Table(rows, colWidths=[34 * mm, None], style=_PLAIN)
        widths = [*[WIDTH * 0.31] * len(parties), None]
        header = Table([[*parties, details]], colWidths=widths, style=_PLAIN)
        return [
            Paragraph(escape(self.title), _style(size=20, font=BOLD)),
            Spacer(0, 6 * mm),
            # Addresses that need more than a third of the page are printed smaller.
            KeepInFrame(WIDTH, A4[1] / 3, [header]),
            Spacer(0, 2 * mm),
        ]

    def _draw_footer(self, canvas: Canvas, page: int, pages: int) -> None:
        canvas.setStrokeColor(RULE)
        canvas.line(MARGIN, FOOTER - 4 * mm, MARGIN + WIDTH, FOOTER - 4 * mm)
        canvas.setFillColor(GRAY)
        canvas.setFont(REGULAR, 7)
        number = f"{self.number} · Page {page} of {pages}"
        canvas.drawRightString(MARGIN + WIDTH, FOOTER - 8 * mm, number)
        footer = Paragraph(_markup(self.footer), _style(size=7, color=GRAY))
        _, height = footer.wrap(WIDTH * 0.7, FOOTER)
        footer.drawOn(canvas, MARGIN, FOOTER - 6 * mm - height)


_PLAIN = [
    ("FONT", (0, 0), (-1, -1), REGULAR, 7.5),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
]
_TABLE = [
    *_PLAIN,
    ("TEXTCOLOR", (0, 0), (-1, -1), INK),
    ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 4),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
    ("LINEBELOW", (0, 0), (-1, -1), 0.5, RULE),
]
_WITH_HEADER = [
    *_TABLE,
    ("FONT", (0, 0), (-1, 0), BOLD, 7),
    ("LINEBELOW", (0, 0), (-1, 0), 1, INK),
]
_TOTALS = [*_TABLE, ("FONT", (0, -1), (-1, -1), BOLD, 10), ("LINEABOVE", (0, -1), (-1, -1), 1, INK)]


def address(party: Mapping[str, str]) -> list[str]:
    """Return the lines of a postal address: one for each part that is known."""
    place = " ".join(filter(None, [party.get("postal_code"), party.get("city")]))
    lines = [party.get(name) for name in ("name", "company", "line1", "line2")]
    lines += [", ".join(filter(None, [place, party.get("region"), party.get("country")]))]
    return [line for line in lines if line]


def table(rows: Sequence[Sequence[str | Flowable]], *, widths: Sequence[float | None]) -> Flowable:
    """Return a table whose first row is repeated as the header on every page.

    `widths` are in millimeters; None takes the remaining width.
    """
    taken = sum(width * mm for width in widths if width)
    columns = [width * mm if width else WIDTH - taken for width in widths]
    longest = max(len(cell) for row in rows[1:] for cell in row if isinstance(cell, str))
    size = min(7.5, 90 / longest)  # points; twelve characters of 7.5 fit the narrowest column
    style = [*_WITH_HEADER, ("FONTSIZE", (0, 1), (-1, -1), size)]
    return Table(
        rows, colWidths=columns, repeatRows=1, hAlign="LEFT", spaceBefore=6 * mm, style=style
    )


def totals(rows: Sequence[Sequence[str]]) -> Flowable:
    """Return right-aligned rows of a label and an amount; the last row is the grand total."""
    columns = [46 * mm, 38 * mm]
    block = Table(rows, colWidths=columns, hAlign="RIGHT", spaceBefore=5 * mm, style=_TOTALS)
    return KeepTogether([block])


def text(value: str, *, below: str | None = None, size: float = 8, font: str = REGULAR) -> Flowable:
    """Return a text that wraps between words, and inside a long word; `below` is in small print."""
    small = f'<br/><font size="6.5" color="#667085">{_markup(below)}</font>' if below else ""
    return Paragraph(f"{_markup(value)}{small}", _style(size=size, font=font))


def _markup(value: str) -> str:
    """Return a text as reportlab's markup, each character in a font that has it."""
    glyphs = pdfmetrics.getFont(REGULAR).face.charToGlyph
    runs = groupby(value, key=lambda character: ord(character) in glyphs)
    texts = ((has_glyphs, escape("".join(run))) for has_glyphs, run in runs)
    return "".join(
        run if has_glyphs else f'<font name="{FALLBACK}">{run}</font>' for has_glyphs, run in texts
    )


def _small(label: str) -> Flowable:
    return Paragraph(escape(label), _style(size=7, color=GRAY))


def _style(*, size: float = 8, font: str = REGULAR, color: Color = INK) -> ParagraphStyle:
    return ParagraphStyle(
        "text",
        fontName=font,
        bulletFontName=font,
        fontSize=size,
        leading=max(size, 8) * 1.35,
        textColor=color,
        splitLongWords=True,
    )


@cache
def register_fonts() -> None:
    """Register the fonts with reportlab, once a process, before a document is laid out."""
    for name in (REGULAR, BOLD, FALLBACK):
        pdfmetrics.registerFont(TTFont(name, FONTS / f"{name}.ttf"))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD)
