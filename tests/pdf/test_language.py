"""The languages of documents: no message is untranslated, and numbers follow the country."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from config.pdf import language
from config.pdf.language import CATALOGS, Language, is_known
from fulfillment import documents as warehouse
from fulfillment import selectors
from invoices import documents, mail
from invoices.models import Document
from orders.models.choices import HoldReason
from orders.services import lifecycle
from shipments import documents as labels
from tests.documents import text_of
from tests.factories import InvoiceFactory, LineFactory, credit, deliver_documents
from tests.fulfillment.factories import FulfillmentFactory

MODULES = (language, documents, mail, warehouse, labels)
KEYWORDS = dict.fromkeys(("text", "gettext_noop", "_"))
CODE = re.compile(r"[A-Z]+-\d{4}-\d+|\w+_\w+|[\w.]+@[\w.]+|\bkg\b|\b[A-Z]{2,3}\b|SB\d+")


def messages():
    """Return the messages in the code."""
    for module in MODULES:
        for _, message, _, _ in extract_from_file("python", module.__file__, keywords=KEYWORDS):
            yield message


@pytest.mark.parametrize("path", list(CATALOGS.glob("*.po")), ids=lambda path: path.stem)
def test_a_catalog_translates_every_message_and_nothing_else(path):
    with path.open("rb") as file:
        catalog = {message.id: message.string for message in read_po(file) if message.id}
    assert set(catalog) == set(messages())
    for message, translation in catalog.items():
        assert translation, f"{message} is not translated"
        placeholders = [set(re.findall(r"{\w+}", each)) for each in (message, translation)]
        assert placeholders[0] == placeholders[1], message


class Cyrillic:
    """A catalog in which every word is translated by one letter."""

    def gettext(self, message):
        return re.sub(r"(?<![{\w])[A-Za-z]+(?![}\w])", "ж", message)


@pytest.mark.django_db
def test_documents_and_mails_have_no_untranslated_word(monkeypatch, settings, mailbox):
    monkeypatch.setattr(language, "_catalog", lambda language: Cyrillic())
    settings.DEFAULT_SELLER = {"name": "Я"}
    address = {"name": "Я", "line1": "Я", "city": "Я", "country": "DE", "tax_id": "9"}
    items = [LineFactory(title="Я"), LineFactory(title="Я", tax_rate=Decimal("0.1"))]
    invoice = InvoiceFactory(
        items=items,
        billing_address=address,
        shipping={"cost": Decimal(5), "carrier": "Я"},
        discount={"amount": Decimal(1)},
    )
    credit(invoice, "1")
    fulfillment = FulfillmentFactory(status="packed", items=items, shipping_address=address)
    lifecycle.hold_order(order_id=fulfillment.order_id, reason="fraud", note="Я")
    fulfillment = selectors.get(fulfillment.id)
    label = labels.label(
        organization_id="org_1",
        carrier="Я",
        service="Я",
        tracking_number="1",
        order_number="1",
        sender=address,
        recipient=address,
        weights=[Decimal(1)],
        signature_required=True,
    )
    pdfs = [documents.render(document) for document in Document.objects.all()]
    pdfs += [warehouse.pick_list(fulfillment), warehouse.packing_slip(fulfillment), label]
    assert len(pdfs) == 5
    for text in map(" ".join, map(text_of, pdfs)):
        assert untranslated(text) == []
    deliver_documents()
    assert len(mailbox.mails) == 2
    for each in mailbox.mails:
        assert untranslated(each["Subject"]) == []
        body = each.get_body().get_content()
        assert untranslated(re.sub(r"http\S+", "", body)) == []


def untranslated(text):
    dates = re.sub(r"\b[A-Z][a-z]{2} \d+, \d{4}", "", text)
    return re.findall("[A-Za-z]{2,}", CODE.sub("", dates))


def test_every_reason_of_a_hold_has_a_text():
    assert set(warehouse.HOLDS) == set(HoldReason.values)


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("en", ["Jan 2, 2026", "1,234.50", "7.5%", "1,300", "2.5"]),
        ("es", ["2 ene 2026", "1.234,50", "7,5\xa0%", "1.300", "2,5"]),
        ("es-MX", ["2 ene 2026", "1,234.50", "7.5%", "1,300", "2.5"]),
        ("de", ["02.01.2026", "1.234,50", "7,5\xa0%", "1.300", "2,5"]),
    ],
)
def test_dates_and_numbers_follow_the_country(locale, written):
    to = Language(locale)
    assert [
        to.date(datetime(2026, 1, 2, tzinfo=UTC)),
        to.number("1234.50"),
        to.percent("0.075"),
        to.number(1300),
        to.weight(Decimal("2.500")),
    ] == written


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("en", True), ("es-MX", True), ("zh-Hant-TW", True), ("haw", True), ("pt_BR", True)]
    + [(text, False) for text in ("", "root", "xx", "es-", "../es", "e", "español", "en\n", "1")],
)
def test_only_known_languages_are_accepted(locale, expected):
    assert is_known(locale) is expected


def test_a_language_without_a_catalog_is_printed_in_english_with_its_conventions():
    assert Language("fr").text("Invoice") == "Invoice"
