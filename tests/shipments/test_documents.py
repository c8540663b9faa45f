"""The PDF of labels: its texts and its layout."""

from decimal import Decimal
from io import BytesIO

import pypdf
import pytest

from shipments import documents
from tests.documents import embedded_fonts, text_of

pytestmark = pytest.mark.django_db

LABEL = {
    "organization_id": "org_1",
    "carrier": "FedEx",
    "service": "Ground",
    "tracking_number": "SB012345678901",
    "order_number": "ORD-2025-0001",
    "sender": {"name": "Casa Luna", "line1": "Avenida Reforma 145", "city": "Puebla"},
    "recipient": {
        "name": "Łukasz Żółć",
        "company": "Ñandú & Söhne <GmbH>",
        "line1": "Straße des 17. Juni 135",
        "postal_code": "10623",
        "city": "Berlin",
        "country": "DE",
    },
    "weights": [Decimal("2.500")],
    "signature_required": True,
}


def pages(**changes):
    return text_of(documents.label(**LABEL | changes))


def test_a_label_contains_sender_recipient_and_shipment_details():
    (page,) = pages()
    for value in (
        *LABEL["sender"].values(),
        *(LABEL["recipient"][name] for name in ("name", "company", "line1")),
        "10623 Berlin, DE",
        "FedEx",
        "Ground",
        "Order ORD-2025-0001 · Parcel 1 of 1 · 2.5 kg · Signature required",
        "SB012345678901",
        "Test label: not valid for shipping.",
    ):
        assert value in page


def test_each_package_has_a_page_with_its_weight():
    first, second = pages(weights=[Decimal(1), Decimal("0.75")], signature_required=False)
    assert "Parcel 1 of 2 · 1 kg" in first
    assert "Parcel 2 of 2 · 0.75 kg" in second
    assert "Signature" not in first


def test_a_label_is_10_by_15_centimeters_and_embeds_its_fonts():
    label = documents.label(**LABEL)
    (page,) = pypdf.PdfReader(BytesIO(label)).pages
    assert [round(float(side) / 72 * 25.4) for side in page.mediabox[2:]] == [100, 150]
    assert len(embedded_fonts(label)) == 2


def test_the_same_arguments_give_the_same_bytes():
    assert documents.label(**LABEL) == documents.label(**LABEL)


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": {}, "recipient": {}},
        {"recipient": {"name": "山田 花子", "line1": "銀座1-2-3", "city": "東京"}},
        {"recipient": dict.fromkeys(("name", "company", "line1", "line2", "city"), "W" * 200)},
        {"carrier": "W" * 64, "service": "W" * 64, "tracking_number": "1" * 34},
    ],
    ids=["nothing", "japanese", "longest", "long names"],
)
def test_long_and_missing_texts_fit_on_one_page(changes):
    assert len(pages(**changes)) == 1
