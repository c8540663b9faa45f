"""Links that open documents without a token can be revoked, and survive a new key."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core import signing
from django.utils import timezone

from config.api.pdf import pdf
from invoices import tasks
from tests.api.test_logs import production_log
from tests.factories import InvoiceFactory, credit
from tests.log import event_names
from tests.shipments.factories import BY_HAND, ShipmentFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def invoice_links(api):
    """Return the path of an invoice with a credit note, its order, and a way to list its links."""
    invoice = InvoiceFactory()
    invoice = credit(invoice, "10.00", refund_id=f"ref_of_{invoice.number}")
    tasks.render_documents()
    path = f"/api/v1/invoices/{invoice.id}"

    def links():
        shown = api.get(path).json()
        return [row["pdf_url"] for row in (shown, *shown["credit_notes"])]

    return path, invoice.order, links


def label_links(api):
    shipment = ShipmentFactory(status="label_created")
    path = f"/api/v1/shipments/{shipment.id}"
    return path, shipment.order, lambda: [api.get(path).json()["label_url"]]


@pytest.mark.parametrize("made", [invoice_links, label_links], ids=["invoice", "label"])
class TestLinks:
    @pytest.fixture
    def shared(self, made, api):
        return made(api)

    @pytest.fixture
    def opens(self, client):
        return lambda links: [client.get(urlsplit(link).path).status_code for link in links]

    def test_revoked_links_open_nothing_and_new_ones_do(self, shared, opens, api, monkeypatch):
        path, order, links = shared
        old = links()
        assert set(opens(old)) == {200}
        assert api.post(f"{path}/revoke-links").status_code == 200
        assert set(opens(old)) == {410}
        assert event_names(order)[-1].endswith(".links_revoked")
        later = timezone.now() + timedelta(seconds=1)  # a link has the second of its signature
        monkeypatch.setattr(signing.time, "time", later.timestamp)
        monkeypatch.setattr(timezone, "now", lambda: later)
        assert set(opens(links())) == {200}
        assert set(opens(old)) == {410}

    def test_the_links_of_others_stay(self, shared, opens, made, api):
        path = shared[0]
        _, _, others = made(api)
        kept = others()
        api.post(f"{path}/revoke-links")
        assert set(opens(kept)) == {200}

    def test_who_may_read_cannot_revoke(self, shared, opens, caller):
        path, _, links = shared
        reader = caller(scope="invoices:read shipments:read")
        refused = reader.post(f"{path}/revoke-links")
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
        assert set(opens(links())) == {200}

    def test_the_log_does_not_contain_them(self, shared, opens):
        *_, links = shared
        urls = links()
        with production_log() as lines:
            assert set(opens(urls)) == {200}
        assert len(lines) == len(urls)
        for url in urls:
            assert url.rpartition(":")[2] not in str(lines)

    def test_they_are_valid_for_as_many_days_as_the_setting_says(self, shared, opens, settings):
        links = shared[2]()
        settings.DOCUMENT_LINK_DAYS = 0
        assert set(opens(links)) == {410}

    def test_a_key_rotation_keeps_them_while_the_old_key_is_a_fallback(
        self, shared, opens, settings
    ):
        links = shared[2]()
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "n" * 50
        assert set(opens(links)) == {200}
        settings.SECRET_KEY_FALLBACKS = []
        assert set(opens(links)) == {404}


def test_a_label_that_the_carrier_stores_has_no_links_to_revoke(api):
    shipment = ShipmentFactory(status="dispatched", by=BY_HAND)
    refused = api.post(f"/api/v1/shipments/{shipment.id}/revoke-links")
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    assert "the PDF of a label is stored here" in refused.json()["detail"]


def test_a_tracking_number_with_quotes_stays_a_file_name():
    assert pdf(b"", name='1"; filename="2.html')["Content-Disposition"] == (
        'inline; filename="1\\"; filename=\\"2.html.pdf"'
    )
