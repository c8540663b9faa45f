"""Documents in all scripts, and templates that may do nothing else than draw."""

import hashlib
import re
import resource
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from random import Random
from time import monotonic

import pypdf
import pytest
from django.db import connection
from pypdfium2 import PdfDocument

from config.pdf import barcodes, language, rendering
from config.pdf.language import Language
from config.pdf.rendering import NotPrintable, render
from tests.documents import barcodes_of, text_of
from tests.parallel import at_once
from tests.pdf.scripts import MIXED, SCRIPTS

pytestmark = pytest.mark.django_db


def data(name, address, title):
    """Return the data of every template, with these texts."""
    code = barcodes.code128("ORD-2026-0001")
    place = {"name": name, "line1": address}
    line = {"title": title, "variant_id": "var_1", "quantity": "1", "cells": [], "carried": "1"}
    return {
        **Language("en").document(created_at=datetime(2026, 1, 2, tzinfo=UTC)),
        "title": "Document",
        "number": "1",
        "author": name,
        "footer": title,
        "carrier": "Carrier",
        "service": title,
        "code": code,
        "qr": barcodes.qr("ORD-2026-0001"),
        "parties": [{"label": "To", "lines": place}],
        "sender": place,
        "recipient": place,
        "packages": [["1 kg"]],
        "details": [["Order", "ORD-2026-0001"]],
        "columns": ["Item"],
        "lines": [line | {"code": code}],
        "totals": [["Total", "1"]],
        "rates": {"columns": ["Rate"], "rows": [["1"]]},
        "note": title,
        "empty": "Nothing",
        "untaxed_reason": "",
    }


def letters(text):
    """Return a text without spaces, with ligatures as letters."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


def is_in(word, text):
    """Whether a text has the word; some letters of Khmer are read twice."""
    if re.search("[ក-៿]", word):
        return re.search(".*?".join(map(re.escape, letters(word))), letters(text))
    return letters(word) in letters(text)


@pytest.mark.parametrize(
    "template", ["invoice", "credit_note", "pick_list", "packing_slip", "label"]
)
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_document_prints_every_script(template, script):
    name, address, title = SCRIPTS[script]
    pages = text_of(render(template, data(name, address, title), organization_id="org_1"))
    for word in f"{name} {address} {title}".split():
        assert is_in(word, " ".join(pages))


@pytest.mark.parametrize("title", MIXED)
def test_lines_of_mixed_directions_keep_their_words(title):
    pages = text_of(render("packing_slip", data("x", "y", title), organization_id="org_1"))
    words = [letters(word) for word in re.findall(r"\w+", title)]
    assert all(word in letters(pages[0]) for word in words)


@pytest.mark.parametrize("template", ["credit_note", "label"])
def test_a_document_begins_at_the_side_where_its_words_begin(template, monkeypatch, tmp_path):
    (tmp_path / "he.po").write_bytes((language.CATALOGS / "es.po").read_bytes())
    monkeypatch.setattr(language, "CATALOGS", tmp_path)
    texts = data("Ana", "y", "Shirt S.A.")
    for locale, is_from_right in (("he", True), ("ar", False)):  # no catalog: in English
        words = Language(locale).document(created_at=datetime(2026, 1, 2, tzinfo=UTC))
        left, right = box_of("Ana", render(template, texts | words, organization_id="org_1"))
        assert (left > 150) == is_from_right
        assert right < 595 - 18 / 25.4 * 72, "within the margin"


def test_a_date_is_written_in_its_own_direction():
    date = Language("ar").date(datetime(2026, 3, 12, tzinfo=UTC))
    texts = data("x", "y", "z") | {"details": [["Date", date]]}
    pdf = render("credit_note", texts, organization_id="org_1")
    day, month, year = (box_of(number, pdf)[0] for number in ("12", "03", "2026"))
    assert year < month < day


def box_of(text, pdf):
    """Return the left and the right end of a text on the first page, in points."""
    with PdfDocument(pdf) as document:
        page = document[0].get_textpage()
        first, length = page.search(text).get_next()
        boxes = [page.get_charbox(index) for index in range(first, first + length)]
    return min(left for left, *_ in boxes), max(right for _, _, right, _ in boxes)


@pytest.mark.parametrize(
    ("country", "font"), [(None, "SC"), ("JP", "JP"), ("KR", "KR"), ("TW", "TC"), ("HK", "HK")]
)
def test_chinese_characters_have_the_forms_of_the_country(country, font):
    words = Language("en", country=country).document(created_at=datetime(2026, 1, 2, tzinfo=UTC))
    pdf = render("label", data("x", "y", "直骨") | words, organization_id="org_1")
    assert f"NotoSansCJK{font.lower()}".encode() in pdf


def test_a_document_is_pdf_a_3_of_its_date_and_the_same_each_time():
    pdf = render("invoice", data("x", "y", "z"), organization_id="org_1")
    assert pdf == render("invoice", data("x", "y", "z"), organization_id="org_1")
    read = pypdf.PdfReader(BytesIO(pdf))
    xmp = read.xmp_metadata
    assert (xmp.pdfaid_part, xmp.pdfaid_conformance) == ("3", "B")
    assert read.metadata.creation_date == datetime(2026, 1, 2, tzinfo=UTC)
    assert read.trailer["/Root"]["/OutputIntents"]


@pytest.mark.parametrize("character", ["\ue000", "\U000f1234", "\uffff", "\u0378"])
def test_a_character_in_no_font_is_named_with_its_field(character):
    broken = data("x", "y", f"A shirt {character}")
    del broken["footer"], broken["service"], broken["note"]
    with pytest.raises(NotPrintable) as refused:
        render("pick_list", broken | {"footer": ""}, organization_id="org_1")
    assert str(refused.value) == (
        f"“{character}” (U+{ord(character):04X}) in lines[0].title is in no font. "
        "Add one to DOCUMENT_FONTS."
    )


@pytest.mark.parametrize(
    "code", [0x00, 0x07, 0x1F, 0x7F, 0x85, 0xAD, 0x200B, 0x2066, 0x202E, 0xFE0F]
)
def test_invisible_characters_print_nothing(code):
    title = f"left{chr(code)} right"
    (page,) = text_of(render("packing_slip", data("x", "y", title), organization_id="org_1"))
    assert {"left", "right"} <= set(re.findall("[a-z]+", page))


@pytest.mark.parametrize(
    "title", ["#panic()", "$x$ *a* _b_ <c> @d", '"\\u{41} \\ `raw`', "= A // b"]
)
def test_texts_are_never_markup(title):
    (page,) = text_of(render("packing_slip", data("x", "y", title), organization_id="org_1"))
    assert title in page


def test_the_fonts_are_those_of_the_list():
    listed = dict(
        reversed(line.split()) for line in (rendering.FONTS / "SHA256SUMS").read_text().splitlines()
    )
    found = {path.name: path for path in rendering.FONTS.glob("*.tt?")}
    assert listed == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()
    }


def test_a_template_that_prints_too_much_is_refused(templates):
    noise = Random(0).randbytes(200_000).hex()  # half of it remains when it is compressed
    (templates / "label.typ").write_text(
        f'#for n in range(300) {{ pdf.attach(str(n), bytes("{noise}" + str(n)), '
        'relationship: "data", mime-type: "text/plain", description: "x") }'
    )
    with pytest.raises(NotPrintable, match="the PDF is larger than 32 MB"):
        render("label", data("x", "y", "z"), organization_id="org_1")


def test_a_template_cannot_fill_the_memory_of_the_service_with_its_error(templates):
    (templates / "label.typ").write_text('#panic("x" * 50000000)')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotPrintable, match="panicked with: x"):
        render("label", data("x", "y", "z"), organization_id="org_1")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KB


@pytest.mark.django_db(transaction=True)
def test_forked_processes_render_each_their_own_documents():
    def prints(n):
        name = f"name-{n}"
        return name in text_of(render("label", data(name, "y", "z"), organization_id="org_1"))[0]

    assert prints("parent")
    assert all(at_once(3, prints))
    assert prints("parent again")


# Templates of a shop


@pytest.fixture
def templates(settings, tmp_path):
    settings.DOCUMENT_TEMPLATES = str(tmp_path)
    return tmp_path


def test_a_shop_replaces_a_template_and_an_organization_its_own(templates):
    (templates / "invoice.typ").write_text("Shop")
    (templates / "org_1").mkdir()
    (templates / "org_1" / "invoice.typ").write_text(
        '#import "layout.typ": *\n#show: in-fonts\nOwn #data.number'
    )
    assert text_of(render("invoice", data("x", "y", "z"), organization_id="org_1")) == ["Own 1"]
    for other in ("org_2", "..", "../org_1", ""):
        pdf = render("invoice", data("x", "y", "z"), organization_id=other)
        assert text_of(pdf) == ["Shop"]
    assert "Carrier" in text_of(render("label", data("x", "y", "z"), organization_id="org_1"))[0]


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ('#import "@preview/cetz:0.3.0": *', "failed to download package"),
        ('#let name = "@preview/cetz:0.3.0"\n#import name: *', "failed to download package"),
        ('#read("/etc/passwd")', "file not found"),
        ('#read("../../../../../../etc/passwd")', "escape"),
        ('#image("/proc/self/environ")', "file not found"),
        ("#let x = (", "unclosed delimiter"),
        ("#data.nothing", "unknown variable"),
    ],
    ids=["package", "built name", "file", "parent", "environment", "syntax", "variable"],
)
def test_a_template_reaches_nothing_outside_and_its_error_is_told(templates, template, error):
    (templates / "label.typ").write_text(template)
    with pytest.raises(NotPrintable, match=rf"(?s)label.typ is faulty: .*{error}.* label.typ:"):
        render("label", data("x", "y", "z"), organization_id="org_1")


def test_a_template_that_does_not_end_is_stopped(templates, monkeypatch):
    monkeypatch.setattr(rendering, "TIMEOUT", 1)
    endless = "#let n = range(99999)\n#for a in n { for b in n { let c = a + b } }"
    (templates / "label.typ").write_text(endless)
    started = monotonic()
    with pytest.raises(NotPrintable, match="was stopped"):
        render("label", data("x", "y", "z"), organization_id="org_1")
    assert monotonic() - started < 10


def test_a_template_that_needs_too_much_memory_is_stopped(templates):
    (templates / "label.typ").write_text('#let x = "x"\n#while x.len() > 0 { x = x + x }')
    with pytest.raises(NotPrintable, match="was stopped"):
        render("label", data("x", "y", "z"), organization_id="org_1")


def test_documents_are_compiled_at_once(templates, monkeypatch):
    monkeypatch.setattr(rendering, "TIMEOUT", 5)
    (templates / "slow").mkdir()
    endless = "#let n = range(99999)\n#for a in n { for b in n { let c = a + b } }"
    (templates / "slow" / "label.typ").write_text(endless)

    def render_slowly():
        with closing(connection):
            render("label", data("x", "y", "z"), organization_id="slow")

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(render_slowly)
        assert render("label", data("x", "y", "z"), organization_id="org_1")
        assert not slow.done()
        assert isinstance(slow.exception(), NotPrintable)


def test_a_fault_of_the_service_is_not_told_as_one_of_the_template():
    broken = data("x", "y", "z") | {"created_at": "yesterday"}
    with pytest.raises(RuntimeError, match="the log has a traceback"):
        render("label", broken, organization_id="org_1")


def test_a_compiler_that_was_killed_is_replaced():
    render("label", data("x", "y", "z"), organization_id="org_1")
    for compiler in rendering._idle:
        compiler.kill()
        compiler.wait()
    assert render("label", data("x", "y", "z"), organization_id="org_1")


# Barcodes


@pytest.mark.parametrize("text", ["ORD-2026-0001", "a", "v" * 40, "var_01JCZ6W9Y1B4D7G0K3N6Q9S2V5"])
@pytest.mark.parametrize("template", ["pick_list", "packing_slip", "label"])
def test_a_scanner_reads_the_barcodes(template, text):
    pdf = render(
        template, data("x", "y", "z") | {"code": barcodes.code128(text)}, organization_id=""
    )
    expected = {("Code128", text)}
    expected |= {
        "pick_list": {("Code128", "ORD-2026-0001")},
        "label": {("QRCode", "ORD-2026-0001")},
    }.get(template, set())
    assert barcodes_of(pdf) == expected


def test_a_code_with_other_characters_is_a_qr_code():
    pdf = render(
        "label",
        data("x", "y", "z") | {"code": barcodes.code128("größe-青"), "qr": barcodes.qr("1")},
        organization_id="",
    )
    assert barcodes_of(pdf) == {("QRCode", "größe-青"), ("QRCode", "1")}
