"""Barcodes for the templates. A module is the width of the thinnest bar."""

from collections.abc import Iterable
from itertools import groupby
from typing import TypedDict

import segno
from barcode.codex import Code128


class Barcode(TypedDict):
    """An SVG, its width, and the margin that a scanner needs around it, both in modules."""

    svg: str
    width: int
    quiet: int
    is_square: bool


def code128(text: str) -> Barcode:
    """Return a text of ASCII characters as Code 128; another text as QR code, which has all."""
    if not text.isascii():
        return qr(text)
    bars, path, at = Code128(text).build()[0], [], 0
    for bar, modules in groupby(bars):
        width = len(list(modules))
        if bar == "1":
            path.append(f"M{at} 0h{width}v1h-{width}z")
        at += width
    return {"svg": _svg(path, at, 1), "width": at, "quiet": 10, "is_square": False}


def qr(text: str) -> Barcode:
    """Return a text as QR code, a square."""
    rows = list(segno.make_qr(text, error="m").matrix)
    dark = ((x, y) for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark)
    svg = _svg((f"M{x} {y}h1v1h-1z" for x, y in dark), len(rows), len(rows))
    return {"svg": svg, "width": len(rows), "quiet": 4, "is_square": True}


def _svg(path: Iterable[str], width: int, height: int) -> str:
    drawn = "".join(path)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none"><path d="{drawn}"/></svg>'
    )
