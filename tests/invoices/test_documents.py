"""The content of the PDFs, and their storage."""

import hashlib
import re
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from invoices import documents, files
from invoices.models import Document, Seller
from payments.events import RefundPart
from tests.documents import embedded_fonts, text_of
from tests.factories import InvoiceFactory, LineFactory, credit, deliver_documents

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

SELLER = {
    "name": "Casa Luna S.A. de C.V.",
    "tax_id": "CLU010101AB1",
    "line1": "Avenida Reforma 145",
    "city": "Ciudad de México",
    "note": "CLABE 012180001234567897",
}
BUYER = {
    "name": "Łukasz Żółć-Ångström",
    "company": "Ñandú & Söhne <GmbH>",
    "line1": "Straße des 17. Juni 135",
    "city": "Berlin",
    "country": "DE",
    "tax_id": "DE123456789",
}


def pdf_of(invoice, **which):
    which = which or {"credit_note": None}
    return documents.render(Document.objects.get(invoice=invoice, **which))


def test_an_invoice_prints_parties_lines_and_totals():
    Seller.objects.create(organization_id="org_1", **SELLER)
    invoice = InvoiceFactory(
        items=[
            LineFactory(title="Crème brûlée torch", unit_price=Decimal("1234.50")),
            LineFactory(title="Mug", quantity=3, tax_rate=Decimal("0.075")),
        ],
        shipping={"cost": Decimal("9.90"), "tax_rate": Decimal("0.16"), "carrier": "FedEx"},
        discount={"amount": Decimal("44.00")},
        billing_address=BUYER,
    )
    (page,) = text_of(pdf_of(invoice))
    for value in (
        *SELLER.values(),
        *BUYER.values(),
        invoice.number,
        invoice.order_number,
        f"{invoice.issued_at:%b} {invoice.issued_at.day}, {invoice.issued_at.year}",
        "juan@example.com",
        "Crème brûlée torch",
        "1,234.50",
        "Shipping (FedEx)",
        "7.5%",
        "16%",
        "Subtotal 2,553.90",
        "Discount −44.00",
        "Net 2,509.90",
        f"Tax {invoice.tax:.2f}",
        f"Total USD {invoice.total:,.2f}",
        "Page 1 of 1",
    ):
        assert value in page
    for row in invoice.rates:
        net, tax, total = (f"{Decimal(row[name]):,}" for name in ("net", "tax", "total"))
        assert f"% {net} {tax} {total}" in page


def test_every_page_repeats_the_table_header_and_has_a_number():
    lines = [LineFactory(title=f"Article {n} " + "x" * 200) for n in range(60)]
    invoice = InvoiceFactory(items=lines)
    pages = text_of(pdf_of(invoice))
    assert len(pages) > 3
    for number, page in enumerate(pages, 1):
        assert f"{invoice.number} · Page {number} of {len(pages)}" in page
        assert "Item Quantity Unit price" in page or number > len(pages) - 2
    assert all(any(f"Article {n} " in page for page in pages) for n in range(60))
    assert "Total USD 3,000.00" in " ".join(pages[-2:])


def test_the_sum_so_far_is_carried_forward_to_the_next_page():
    lines = [LineFactory(unit_price=Decimal(n), quantity=1) for n in range(1, 41)]
    invoice = InvoiceFactory(items=lines)
    pages = text_of(pdf_of(invoice))
    sums = []
    for page, following in pairwise(pages):
        sums += re.findall(r"Carried forward (\S+)", page)
        assert f"Brought forward {sums[-1]}" in following
        printed = re.findall(r"0.00 (\S+?).00 0% 0.00 ", page)
        assert sums[-1] == f"{sum(range(1, int(printed[-1]) + 1))}.00"
    assert len(sums) == len(pages) - 1
    assert "forward" not in text_of(pdf_of(InvoiceFactory()))[0]


def test_a_credit_note_prints_its_invoice_and_amounts():
    line = LineFactory(tax_rate=Decimal("0.19"))
    invoice = credit(InvoiceFactory(items=[line]), "11.90")
    (page,) = text_of(pdf_of(invoice, credit_note__isnull=False))
    note = invoice.credit_notes[0]
    for value in (
        "Credit note",
        f"For invoice {invoice.number}",
        note.number,
        invoice.order_number,
        "Goods returned",
        "19% 10.00 1.90 11.90",
        "Total credited USD 11.90",
    ):
        assert value in page


def test_a_credit_note_lists_what_it_takes_back():
    items = [
        LineFactory(
            title="A book",
            variant_id="var_book",
            unit_price=Decimal(10),
            tax_rate=Decimal("0.07"),
        ),
        LineFactory(title="A radio", unit_price=Decimal(100), tax_rate=Decimal("0.19")),
    ]
    shipping = {"cost": Decimal(5), "tax_rate": Decimal("0.19"), "carrier": "FedEx"}
    invoice = InvoiceFactory(items=items, shipping=shipping)
    book = invoice.order.lines[0].id
    parts = [
        RefundPart(kind="fee", order_item_id=book, quantity=0, amount=Decimal("-1.07")),
        RefundPart(kind="item", order_item_id=book, quantity=1, amount=Decimal("10.70")),
        RefundPart(kind="shipping", order_item_id=None, quantity=0, amount=Decimal("5.95")),
    ]
    invoice = credit(invoice, "15.58", parts=parts)
    (page,) = text_of(pdf_of(invoice, credit_note__isnull=False))
    for value in (
        "Item Quantity Net Tax rate Tax Total",
        "A book var_book 1 10.00 7% 0.70 10.70",
        "Retained: A book var_book -1.00 7% -0.07 -1.07",
        "Shipping (FedEx) 5.00 19% 0.95 5.95",
        "7% 9.00 0.63 9.63",
        "Total credited USD 15.58",
    ):
        assert value in page
    assert "radio" not in page


def test_a_credit_note_of_the_first_version_is_printed_without_lines():
    invoice = credit(InvoiceFactory(), "10.00")
    document = Document.objects.get(invoice=invoice, credit_note__isnull=False)
    document.credit_note.lines = []
    (page,) = text_of(documents.render(document))
    assert "Quantity" not in page
    assert "Total credited USD 10.00" in page


def named(name, rate):
    return {"name": name, "rate": rate, "exemption": None, "note": None}


def test_each_of_several_taxes_is_printed_with_its_total():
    taxes = [named("GST", "0.05"), named("QST", "0.09975")]
    line = LineFactory(unit_price=Decimal("19.995"), taxes=taxes, tax_rate=Decimal("0.14975"))
    invoice = credit(InvoiceFactory(items=[line]), "22.99")
    (page,) = text_of(pdf_of(invoice))
    for value in ("19.995", "GST 5% + QST 9.975%", "GST 5% 39.99 2.00", "QST 9.975% 39.99 3.99"):
        assert value in page
    (page,) = text_of(pdf_of(invoice, credit_note=invoice.credit_notes[0]))
    assert "GST 5% 19.99 1.00" in page
    assert "QST 9.975% 19.99 2.00" in page


def test_prices_that_include_tax_are_printed_as_such():
    line = LineFactory(quantity=1, unit_price=Decimal("14.89"), tax_rate=Decimal("0.21"))
    invoice = InvoiceFactory(items=[line], tax_inclusive=True)
    (page,) = text_of(pdf_of(invoice))
    for value in ("Prices include tax.", "Subtotal 14.89", "Net 12.31", "Tax 2.58", "USD 14.89"):
        assert value in page


def test_discounts_are_printed_with_their_codes():
    spring = {"amount": Decimal("4.00"), "code": "SPRING"}
    invoice = InvoiceFactory(
        items=[LineFactory(discount=spring), LineFactory()],
        discount={"amount": Decimal("10.00"), "code": "TEN", "reason": "Loyal"},
        shipping={"cost": Decimal(5), "discount": {"amount": Decimal(5), "code": "FREE"}},
    )
    codes = [line["discount_codes"] for line in invoice.lines]
    assert codes == [["SPRING", "TEN"], ["TEN"], ["FREE"]]
    (page,) = text_of(pdf_of(invoice))
    assert "Discount (SPRING, TEN, FREE) −19.00" in page


def test_the_reason_for_no_tax_is_printed_with_its_note():
    taxes = [{"name": None, "rate": "0", "exemption": "reverse_charge", "note": "Art. 196"}]
    invoice = InvoiceFactory(items=[LineFactory(taxes=taxes), LineFactory()], locale="es")
    (page,) = text_of(pdf_of(invoice))
    assert "Inversión del sujeto pasivo: Art. 196" in page


def test_yen_have_no_decimals():
    invoice = InvoiceFactory(currency="JPY", items=[LineFactory(unit_price=Decimal(1300))])
    (page,) = text_of(pdf_of(invoice))
    assert "Total JPY 2,600" in page
    assert "." not in page.partition("Item")[2].partition("Page")[0]


def test_long_amounts_are_printed_smaller_to_fit_their_columns():
    line = LineFactory(unit_price=Decimal("9999999.99"), quantity=9999)
    (page,) = text_of(pdf_of(InvoiceFactory(items=[line])))
    assert "9,999 9,999,999.99 0.00 99,989,999,900.01 0% 0.00 99,989,999,900.01" in page


def test_an_unknown_buyer_is_printed_as_a_customer_without_a_name():
    invoice = InvoiceFactory(
        customer_email=None, customer_id=None, shipping_address=None, local_id="local_1"
    )
    (page,) = text_of(pdf_of(invoice))
    assert "Customer without a name" in page


def test_rendering_is_deterministic_and_embeds_the_fonts():
    invoice = InvoiceFactory()
    pdf = pdf_of(invoice)
    assert pdf == pdf_of(invoice)
    assert {name.partition("+")[2] for name in embedded_fonts(pdf)} == {
        "NotoSans-Regular",
        "NotoSans-Bold",
    }


def test_a_pdf_is_stored_once_with_its_digest(media):
    invoice = InvoiceFactory(customer_email=None)
    assert deliver_documents() == 1
    assert deliver_documents() == 0
    (stored,) = media.rglob("*.pdf")
    document = Document.objects.get()
    assert document.sha256 == hashlib.sha256(stored.read_bytes()).hexdigest()
    assert stored.read_bytes() == files.read(document) == pdf_of(invoice)


@pytest.mark.parametrize("keep", [None, 1000])
def test_a_complete_file_of_a_killed_run_is_reused_and_an_incomplete_one_replaced(media, keep):
    invoice = InvoiceFactory(customer_email=None)
    document = Document.objects.get()
    left = pdf_of(invoice)[:keep]
    digest = hashlib.sha256(pdf_of(invoice)).hexdigest()[:16]
    path = default_storage.save(f"invoices/{document.id}-{digest}.pdf", ContentFile(left))
    written = default_storage.get_modified_time(path)
    assert deliver_documents() == 1
    (stored,) = media.rglob("*.pdf")
    assert stored.read_bytes() == pdf_of(invoice)
    assert (default_storage.get_modified_time(path) == written) is (keep is None)


def test_a_lost_file_is_restored_if_the_bytes_are_the_same(media):
    invoice = InvoiceFactory(customer_email=None)
    deliver_documents()
    (stored,) = media.rglob("*.pdf")
    stored.unlink()
    assert files.read(Document.objects.get()) == pdf_of(invoice)
    assert stored.exists()
    stored.unlink()
    Document.objects.update(sha256="0" * 64)  # as if another version had rendered it
    with pytest.raises(FileNotFoundError):
        files.read(Document.objects.get())


def test_the_longest_address_fits_on_the_page():
    limits = {"name": 200, "company": 200, "line1": 200, "line2": 200, "city": 100, "region": 100}
    widest = {name: "W" * limit for name, limit in limits.items()}
    invoice = InvoiceFactory(billing_address=widest | {"country": "MX", "tax_id": "W" * 40})
    assert pdf_of(invoice).startswith(b"%PDF")


def test_japanese_text_can_be_copied():
    invoice = InvoiceFactory(
        currency="JPY",
        items=[LineFactory(title="磁器の湯呑み Café", unit_price=Decimal(1300))],
        billing_address={
            "name": "山田 花子",
            "line1": "銀座1-2-3",
            "city": "東京",
            "country": "JP",
        },
    )
    (text,) = text_of(pdf_of(invoice))
    assert "山田 花子" in text
    assert "磁器の湯呑み Café" in text


def test_a_storage_error_is_retried_later(media):
    InvoiceFactory(customer_email=None)
    media.write_text("not a directory")
    assert deliver_documents() == 0
    document = Document.objects.get()
    assert (document.calls, document.rendered_at) == (1, None)
    assert "Error" in document.last_error
    media.unlink()
    assert deliver_documents() == 0, "the retry is not due yet"
    later = (timezone.now() + timedelta(seconds=11)).isoformat()
    assert deliver_documents(now=later) == 1
    assert Document.objects.get().last_error == ""


def test_a_leased_document_is_left_to_its_worker_until_the_lease_expires(monkeypatch):
    InvoiceFactory(customer_email=None)
    with monkeypatch.context() as patch:
        patch.setattr(files, "store", exit_process)
        with pytest.raises(SystemExit):
            deliver_documents()
    assert deliver_documents() == 0
    expired = (timezone.now() + timedelta(seconds=301)).isoformat()
    assert deliver_documents(now=expired) == 1


def exit_process(document):
    raise SystemExit
