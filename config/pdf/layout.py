"""A4 pages: what is at the top of the first, at the foot of each, and the tables in between."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    KeepInFrame,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

Flow = Any  # one of reportlab's flowables

FONTS = Path(__file__).resolve().parent / "fonts"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
OTHER = "DroidSansFallbackFull"  # Chinese, Japanese and Korean, which the others have not
MARGIN, FOOT = 18 * mm, 26 * mm
WIDTH = A4[0] - 2 * MARGIN
PADDING = 6  # that a page's frame has inside its margins
INK, GREY, RULE = HexColor("#1c2430"), HexColor("#667085"), HexColor("#d0d5dd")


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A document; `facts` are what it is about, by label."""

    title: str
    number: str
    parties: Sequence[tuple[str, Sequence[str]]]
    facts: Sequence[tuple[str, str]]
    author: str
    foot: str

    def pdf(self, story: Callable[[], Sequence[Flow]]) -> bytes:
        """Return the PDF; `story` makes its tables. It is laid out twice, to count its pages."""
        register_fonts()
        pages = self._lay_out(story(), BytesIO(), pages=0)
        out = BytesIO()
        self._lay_out(story(), out, pages=pages)
        return out.getvalue()

    def _lay_out(self, story: Sequence[Flow], out: BytesIO, *, pages: int) -> int:
        template = SimpleDocTemplate(
            out,
            pagesize=A4,
            leftMargin=MARGIN - PADDING,
            rightMargin=MARGIN - PADDING,
            topMargin=MARGIN,
            bottomMargin=FOOT,
            title=f"{self.title} {self.number}",
            author=self.author,
            invariant=1,
            initialFontName=REGULAR,  # else a font that is not embedded would be named
        )

        def finish(canvas: Canvas, template: Any) -> None:
            self._foot(canvas, f"{self.number} · Page {template.page} of {pages}")

        flow = [*self._head(), *story]
        template.build(flow, onFirstPage=finish, onLaterPages=finish)
        return int(template.page)

    def _head(self) -> list[Flow]:
        parties = [[_small(label), *map(text, lines)] for label, lines in self.parties]
        facts = [[_small(label), text(value)] for label, value in self.facts]
        about = Table(facts, colWidths=[34 * mm, None], style=_PLAIN)
        widths = [*[WIDTH * 0.31] * len(parties), None]
        head = Table([[*parties, about]], colWidths=widths, style=_PLAIN)
        return [
            Paragraph(escape(self.title), _style(size=20, font=BOLD)),
            Spacer(0, 6 * mm),
            # What is longer than anybody's address is printed smaller.
            KeepInFrame(WIDTH, A4[1] / 3, [head]),
            Spacer(0, 2 * mm),
        ]

    def _foot(self, canvas: Canvas, page: str) -> None:
        canvas.setStrokeColor(RULE)
        canvas.line(MARGIN, FOOT - 4 * mm, MARGIN + WIDTH, FOOT - 4 * mm)
        canvas.setFillColor(GREY)
        canvas.setFont(REGULAR, 7)
        canvas.drawRightString(MARGIN + WIDTH, FOOT - 8 * mm, page)
        foot = Paragraph(_marked(self.foot), _style(size=7, colour=GREY))
        _, height = foot.wrap(WIDTH * 0.7, FOOT)
        foot.drawOn(canvas, MARGIN, FOOT - 6 * mm - height)


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
_HEADED = [
    *_TABLE,
    ("FONT", (0, 0), (-1, 0), BOLD, 7),
    ("LINEBELOW", (0, 0), (-1, 0), 1, INK),
]
_SUMS = [*_TABLE, ("FONT", (0, -1), (-1, -1), BOLD, 10), ("LINEABOVE", (0, -1), (-1, -1), 1, INK)]


def address(party: Mapping[str, str]) -> list[str]:
    """Return where somebody lives, a line for each part that is known."""
    place = " ".join(filter(None, [party.get("postal_code"), party.get("city")]))
    lines = [party.get(name) for name in ("name", "company", "line1", "line2")]
    lines += [", ".join(filter(None, [place, party.get("region"), party.get("country")]))]
    return [line for line in lines if line]


def table(rows: Sequence[Sequence[Any]], *, widths: Sequence[float | None]) -> Flow:
    """Return a table whose first row is its head, on every page.

    Widths are in millimetres; None takes the rest.
    """
    taken = sum(width * mm for width in widths if width)
    columns = [width * mm if width else WIDTH - taken for width in widths]
    longest = max(len(cell) for row in rows[1:] for cell in row if isinstance(cell, str))
    size = min(7.5, 90 / longest)  # points; twelve characters of 7.5 fit the narrowest column
    style = [*_HEADED, ("FONTSIZE", (0, 1), (-1, -1), size)]
    return Table(
        rows, colWidths=columns, repeatRows=1, hAlign="LEFT", spaceBefore=6 * mm, style=style
    )


def sums(rows: Sequence[Sequence[str]]) -> Flow:
    """Return a column of sums, at the right; the last is what counts."""
    columns = [46 * mm, 38 * mm]
    made = Table(rows, colWidths=columns, hAlign="RIGHT", spaceBefore=5 * mm, style=_SUMS)
    return KeepTogether([made])


def text(value: str, *, below: str | None = None, size: float = 8, font: str = REGULAR) -> Flow:
    """Return what somebody wrote, wrapped where it is too long; `below` in small print."""
    small = f'<br/><font size="6.5" color="#667085">{_marked(below)}</font>' if below else ""
    return Paragraph(f"{_marked(value)}{small}", _style(size=size, font=font))


def _marked(value: str) -> str:
    """Return a text as a paragraph takes it, each character in a font that has it."""
    known = pdfmetrics.getFont(REGULAR).face.charToGlyph
    runs = groupby(value, key=lambda character: ord(character) in known)
    return "".join(
        escape("".join(run)) if is_known else f'<font name="{OTHER}">{escape("".join(run))}</font>'
        for is_known, run in runs
    )


def _small(label: str) -> Flow:
    return Paragraph(escape(label), _style(size=7, colour=GREY))


def _style(*, size: float = 8, font: str = REGULAR, colour: Any = INK) -> ParagraphStyle:
    return ParagraphStyle(
        "text",
        fontName=font,
        bulletFontName=font,
        fontSize=size,
        leading=max(size, 8) * 1.35,
        textColor=colour,
        splitLongWords=True,
    )


@cache
def register_fonts() -> None:
    """Make the fonts known, which every page needs."""
    for name in (REGULAR, BOLD, OTHER):
        pdfmetrics.registerFont(TTFont(name, FONTS / f"{name}.ttf"))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD)
