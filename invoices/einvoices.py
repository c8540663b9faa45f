"""Electronic invoices: Factur-X, the XML of EN 16931 inside the PDF."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from django.utils.translation import gettext as _
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, ByteStringObject, StreamObject

from config.core import countries
from config.core.money import decimals, money
from invoices.models import CreditNote, Invoice

NAME = "factur-x.xml"
EXTENSION = Path(__file__).parent / "factur_x.xmp"
PROFILE = "urn:cen.eu:en16931:2017"
INVOICE, CREDIT_NOTE = "380", "381"
# The category of UNTDID 5305, and the reason if the line has no note.
EXEMPTIONS = {
    "exempt": ("E", "Exempt from tax"),
    "export": ("G", "Export"),
    "intra_community": ("K", "Intra-community supply"),
    "reverse_charge": ("AE", "Reverse charge"),
    "zero_rated": ("Z", ""),
}
STANDARD, ZERO = "S", "Z"
OF_BUSINESSES, ABROAD = {"AE", "K"}, {"G", "K"}  # which need the VAT id of the buyer, of the seller
TOLERANCE = Decimal(1)  # of EN 16931, between the tax of the lines and the tax of their sum
NAMESPACES = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
for _prefix, _uri in NAMESPACES.items():
    ElementTree.register_namespace(_prefix, _uri)


def obstacle(invoice: Invoice, note: CreditNote | None = None) -> str | None:
    """Return why there is no electronic invoice; None if there can be one."""
    seller, buyer = invoice.seller, invoice.buyer
    if not seller.get("e_invoices"):
        return _("The seller profile does not ask for electronic invoices.")
    if decimals(invoice.currency) > 2:
        return _("EN 16931 has no amounts of three decimals.")
    if not (_is_country(seller) and seller.get("tax_id")):
        return _("The seller profile has no tax id, or no country.")
    if not ((buyer.get("company") or buyer.get("name")) and _is_country(buyer)):
        return _("The buyer has no name, or no country.")
    if any(len(line.get("taxes", ())) > 1 for line in invoice.lines):
        return _("EN 16931 has one tax for each line.")
    rates = note.rates if note else invoice.rates
    categories = {_category(row, seller) for row in rates}
    if categories & OF_BUSINESSES and not _is_vat_id(buyer.get("tax_id", "")):
        return _("The buyer has no VAT id, which a sale without tax to a business needs.")
    if categories & ABROAD and not _is_vat_id(seller["tax_id"]):
        return _("The seller profile has no VAT id, which a sale without tax abroad needs.")
    if "K" in categories and not invoice.delivery_country:
        return _("The order has no shipping address, which an intra-community supply needs.")
    if any(_needs_reason(row) for row in rates) and not seller.get("untaxed_reason"):
        return _("The seller profile has no reason for sales without tax.")
    if any(abs(_rounding(rows)) > TOLERANCE for rows in _by_category(rates, seller)):
        return _("The tax of the lines, which are rounded, is not the tax of their sum.")
    return None


def xml(invoice: Invoice, note: CreditNote | None = None) -> str:
    """Return the XML of an invoice or a credit note that has no `obstacle`."""
    root = Element(_tag("rsm:CrossIndustryInvoice"))
    _add(
        root,
        "rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID",
        PROFILE,
    )
    document = _add(root, "rsm:ExchangedDocument")
    _add(document, "ram:ID", note.number if note else invoice.number)
    _add(document, "ram:TypeCode", CREDIT_NOTE if note else INVOICE)
    _date(document, "ram:IssueDateTime/udt:DateTimeString", (note or invoice).issued_on)
    if invoice.seller.get("note"):
        _add(document, "ram:IncludedNote/ram:Content", invoice.seller["note"])
    trade = _add(root, "rsm:SupplyChainTradeTransaction")
    for number, line in enumerate(_lines(invoice, note), 1):
        _line(trade, number, line, invoice.seller)
    agreement = _add(trade, "ram:ApplicableHeaderTradeAgreement")
    _party(_add(agreement, "ram:SellerTradeParty"), invoice.seller, invoice.seller.get("email"))
    _party(_add(agreement, "ram:BuyerTradeParty"), _company(invoice.buyer), invoice.customer_email)
    _orders(agreement, invoice)
    delivery = _add(trade, "ram:ApplicableHeaderTradeDelivery")
    if _is_intra_community(invoice, note):
        country = "ram:ShipToTradeParty/ram:PostalTradeAddress/ram:CountryID"
        _add(delivery, country, invoice.delivery_country)
    # The packing slip has the number of the order. The rules refuse an empty element.
    _add(
        delivery, "ram:DespatchAdviceReferencedDocument/ram:IssuerAssignedID", invoice.order_number
    )
    _settlement(_add(trade, "ram:ApplicableHeaderTradeSettlement"), invoice, note)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False)


def _orders(agreement: Element, invoice: Invoice) -> None:
    """Add the numbers of the order; without one of the buyer's own, ours stands for it."""
    number = invoice.purchase_order_number
    if number:
        own = "ram:SellerOrderReferencedDocument/ram:IssuerAssignedID"
        _add(agreement, own, invoice.order_number)
    buyers = "ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID"
    _add(agreement, buyers, number or invoice.order_number)


def embed(pdf: bytes, number: str) -> bytes:
    """Return a PDF that has the XML as an attachment with the metadata of Factur-X."""
    writer = PdfWriter(clone_from=BytesIO(pdf))
    metadata = writer.root_object["/Metadata"].get_object()
    assert isinstance(metadata, StreamObject)
    end = b"</rdf:RDF>"
    metadata.set_data(metadata.get_data().replace(end, EXTENSION.read_bytes() + end))
    # pypdf would take a random id, and the same invoice must give the same bytes.
    document_id = ByteStringObject(sha256(number.encode() + pdf).digest()[:16])
    writer._ID = ArrayObject([document_id, document_id])
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def extract(pdf: bytes) -> bytes | None:
    """Return the XML in a PDF, if it has one."""
    attached = PdfReader(BytesIO(pdf)).attachments.get(NAME)
    return attached[0] if attached else None


def _lines(invoice: Invoice, note: CreditNote | None) -> Iterator[Mapping[str, Any]]:
    """Yield the lines; of a credit note without lines, what it takes back at each rate."""
    if note is None:
        yield from (_without_tax(line, invoice) for line in invoice.lines)
        return
    for row in note.lines or note.rates:
        net, title = Decimal(row["net"]), row.get("title", f"{invoice.number}: {note.reason}")
        # A price is never negative: what is kept as a fee has a negative quantity.
        quantity = row.get("quantity") or (-1 if net < 0 else 1)
        yield {
            "title": f"Retained: {title}" if row.get("kind") == "fee" else title,
            "variant_id": row.get("variant_id"),
            "quantity": str(quantity),
            "unit_price": _price(net, quantity),
            "discount": "0",
            "net": row["net"],
            "tax_rate": row["tax_rate"],
            "taxes": row.get("taxes", ()),
        }


def _without_tax(line: Mapping[str, Any], invoice: Invoice) -> Mapping[str, Any]:
    """Return a line whose price and discount do not include tax, as EN 16931 wants them."""
    discount = Decimal(line["discount"])
    if not invoice.tax_inclusive:
        return line
    discount = money(discount / (1 + Decimal(line["tax_rate"])), invoice.currency)
    price = _price(Decimal(line["net"]) + discount, int(line["quantity"]))
    return {**line, "unit_price": price, "discount": str(discount)}


def _price(net: Decimal, quantity: int) -> str:
    """Return the price of one of some units, which may have more decimals than the currency."""
    price = net / quantity
    exact = price.quantize(net)
    return f"{exact if exact * quantity == net else price.quantize(Decimal('0.000001')):f}"


def _line(trade: Element, number: int, line: Mapping[str, Any], seller: Mapping[str, str]) -> None:
    item = _add(trade, "ram:IncludedSupplyChainTradeLineItem")
    _add(item, "ram:AssociatedDocumentLineDocument/ram:LineID", str(number))
    product = _add(item, "ram:SpecifiedTradeProduct")
    if line.get("variant_id"):
        _add(product, "ram:SellerAssignedID", line["variant_id"])
    _add(product, "ram:Name", line["title"])
    _add(
        item,
        "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount",
        line["unit_price"],
    )
    quantity = _add(
        item, "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", str(line["quantity"])
    )
    quantity.set("unitCode", "C62")  # pieces
    settlement = _add(item, "ram:SpecifiedLineTradeSettlement")
    tax = _add(settlement, "ram:ApplicableTradeTax")
    _add(tax, "ram:TypeCode", "VAT")
    exemptions = (each for each in line.get("taxes", ()) if each["exemption"])
    _rate(tax, {**line, **next(exemptions, {})}, seller)
    if Decimal(line["discount"]):
        allowance = _add(settlement, "ram:SpecifiedTradeAllowanceCharge")
        _add(allowance, "ram:ChargeIndicator/udt:Indicator", "false")
        _add(allowance, "ram:ActualAmount", line["discount"])
        _add(allowance, "ram:Reason", " ".join(["Discount", *line.get("discount_codes", ())]))
    _add(
        settlement,
        "ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount",
        line["net"],
    )


def _party(element: Element, party: Mapping[str, str], email: str | None) -> None:
    _add(element, "ram:Name", party["name"])
    address = _add(element, "ram:PostalTradeAddress")
    for name, part in (
        ("PostcodeCode", "postal_code"),
        ("LineOne", "line1"),
        ("LineTwo", "line2"),
        ("CityName", "city"),
        ("CountryID", "country"),
        ("CountrySubDivisionName", "region"),
    ):
        if party.get(part):
            text = _country(party[part]) if part == "country" else party[part]
            _add(address, f"ram:{name}", text)
    if email:
        _add(element, "ram:URIUniversalCommunication/ram:URIID", email).set("schemeID", "EM")
    if tax_id := party.get("tax_id"):
        registration = _add(element, "ram:SpecifiedTaxRegistration/ram:ID", tax_id)
        registration.set("schemeID", "VA" if _is_vat_id(tax_id) else "FC")


def _settlement(element: Element, invoice: Invoice, note: CreditNote | None) -> None:
    currency, seller = invoice.currency, invoice.seller
    rates = note.rates if note else invoice.rates
    _add(element, "ram:InvoiceCurrencyCode", currency)
    for rows in _by_category(rates, seller):
        tax = _add(element, "ram:ApplicableTradeTax")
        _add(tax, "ram:CalculatedAmount", str(sum(Decimal(row["tax"]) for row in rows)))
        _add(tax, "ram:TypeCode", "VAT")
        if _category(rows[0], seller) not in (STANDARD, ZERO):
            reasons = dict.fromkeys(_reason(row, seller) for row in rows)
            _add(tax, "ram:ExemptionReason", "; ".join(reasons))
        _add(tax, "ram:BasisAmount", str(sum(Decimal(row["net"]) for row in rows)))
        _rate(tax, rows[0], seller)
    if _is_intra_community(invoice, note):  # the goods leave after the issue, the day is not known
        start = "ram:BillingSpecifiedPeriod/ram:StartDateTime/udt:DateTimeString"
        _date(element, start, invoice.issued_on)
    due = Decimal(0) if note else invoice.due
    if due:
        terms = _add(element, "ram:SpecifiedTradePaymentTerms")
        _add(terms, "ram:Description", invoice.get_payment_terms_display())
        if invoice.due_on:
            _date(terms, "ram:DueDateDateTime/udt:DateTimeString", invoice.due_on)
    total = (note or invoice).total
    net = total - (note or invoice).tax
    summation = _add(element, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    for name, amount in (
        ("LineTotalAmount", net),
        ("TaxBasisTotalAmount", net),
        ("TaxTotalAmount", (note or invoice).tax),
        ("GrandTotalAmount", total),
        ("TotalPrepaidAmount", total - due),
        ("DuePayableAmount", due),
    ):
        added = _add(summation, f"ram:{name}", str(money(amount, currency)))
        if name == "TaxTotalAmount":
            added.set("currencyID", currency)
    if preceding := invoice if note else invoice.replaces:
        reference = _add(element, "ram:InvoiceReferencedDocument")
        _add(reference, "ram:IssuerAssignedID", preceding.number)
        _date(reference, "ram:FormattedIssueDateTime/qdt:DateTimeString", preceding.issued_on)


def _rate(tax: Element, row: Mapping[str, Any], seller: Mapping[str, str]) -> None:
    _add(tax, "ram:CategoryCode", _category(row, seller))
    _add(tax, "ram:RateApplicablePercent", f"{(Decimal(row['tax_rate']) * 100).normalize():f}")


def _by_category(
    rates: Sequence[Mapping[str, str]], seller: Mapping[str, str]
) -> Iterable[list[Mapping[str, str]]]:
    """Return the sums of a document that are one sum in EN 16931, which knows no names of taxes."""
    found = defaultdict[tuple[str, Decimal], list[Mapping[str, str]]](list)
    for row in rates:
        found[_category(row, seller), Decimal(row["tax_rate"])].append(row)
    return found.values()


def _category(row: Mapping[str, Any], seller: Mapping[str, str]) -> str:
    """Return the category of a line's tax, or of a sum. The seller profile has the default."""
    if Decimal(row["tax_rate"]):
        return STANDARD
    exemption = row.get("exemption")
    return EXEMPTIONS[exemption][0] if exemption else seller.get("untaxed_category", "E")


def _needs_reason(row: Mapping[str, str]) -> bool:
    return not (Decimal(row["tax_rate"]) or row.get("exemption"))


def _reason(row: Mapping[str, str], seller: Mapping[str, str]) -> str:
    """Return why a sale is not taxed."""
    if exemption := row.get("exemption"):
        return row.get("note") or EXEMPTIONS[exemption][1]
    return seller["untaxed_reason"]


def _is_intra_community(invoice: Invoice, note: CreditNote | None) -> bool:
    rates = note.rates if note else invoice.rates
    return any(_category(row, invoice.seller) == "K" for row in rates)


def _is_vat_id(tax_id: str) -> bool:
    """Return whether it begins with a country. A seller may have another number."""
    return tax_id[:2].isalpha() and tax_id[:2].isupper()


def _company(buyer: Mapping[str, str]) -> Mapping[str, str]:
    return {**buyer, "name": buyer.get("company") or buyer["name"]}


def _is_country(party: Mapping[str, str]) -> bool:
    return party.get("country") in countries.CODES


def _country(code: str) -> str:
    """Return the code in EN 16931, which has Kosovo's own."""
    return "1A" if code == "XK" else code


def _rounding(rows: Sequence[Mapping[str, str]]) -> Decimal:
    """Return how much the tax of the sums differs from that of their lines."""
    taxes = (Decimal(row["net"]) * Decimal(row["tax_rate"]) - Decimal(row["tax"]) for row in rows)
    return sum(taxes, Decimal(0))


def _tag(name: str) -> str:
    prefix, local = name.split(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _add(parent: Element, path: str, text: str | None = None) -> Element:
    """Add an element inside the elements of the path; return it."""
    for name in path.split("/"):
        parent = SubElement(parent, _tag(name))
    parent.text = text
    return parent


def _date(parent: Element, path: str, day: date) -> None:
    _add(parent, path, f"{day:%Y%m%d}").set("format", "102")
