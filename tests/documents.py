"""Reads PDFs back: their text, and the fonts that they embed."""

from io import BytesIO

import pypdf
import zxingcpp
from pypdfium2 import PdfDocument


def text_of(pdf):
    """Return the text of each page, with single spaces."""
    with PdfDocument(pdf) as document:
        texts = [page.get_textpage().get_text_bounded() for page in document]
    return [" ".join(text.split()) for text in texts]


def embedded_fonts(pdf):
    """Return the names of the fonts of the first page; each must be embedded."""
    fonts = pypdf.PdfReader(BytesIO(pdf)).pages[0]["/Resources"]["/Font"].values()
    names = []
    for font in (each.get_object() for each in fonts):
        (glyphs,) = font["/DescendantFonts"]
        assert "/FontFile" in "".join(glyphs["/FontDescriptor"])
        names.append(font["/BaseFont"])
    return names


def barcodes_of(pdf):
    """Return the format and the text of the barcodes in a drawing of the pages at 300 dpi."""
    with PdfDocument(pdf) as document:
        drawings = [page.render(scale=300 / 72).to_pil() for page in document]
    found = (code for drawing in drawings for code in zxingcpp.read_barcodes(drawing))
    return {(code.format.name, code.text) for code in found}
