"""The routes of shipments."""

import hashlib
import hmac
import json
from datetime import timedelta
from types import SimpleNamespace

import msgspec
import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from config.core.exceptions import BadSignature
from shipments import carriers, views
from shipments.models import CarrierWebhook, Shipment
from shipments.services import lifecycle
from tests.log import event_names, latest_number
from tests.shipments.factories import BY_HAND, ShipmentFactory, packed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

BASE = "/api/v1/shipments"
# ISO 8601, or read by Python, but not RFC 3339.
NO_DAYS = ["soon", "20251125", "2025-W01-1", "٢٠٢٥-11-25", "2025-11-25T08:20:00Z", "2025-02-30"]
NO_MOMENTS = ["2025-11-25", "2025-11-25T08:20:00", "2025-W01-1T08:20:00Z", "20251125T082000Z"]


def post(api, shipment, verb, body=None, **kwargs):
    return api.post(f"{BASE}/{shipment.id}/{verb}", body or {}, **kwargs)


def test_a_shipment_from_its_creation_to_its_delivery(api, monkeypatch):
    now = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now)  # the same second for each label_url
    fulfillment = packed()
    body = {"fulfillment_id": fulfillment.id, "carrier": "FedEx", "service": "Ground"}
    made = api.post(BASE, body)
    assert made.status_code == 201
    shipment = Shipment.objects.get()
    assert made.json()["items"][0]["quantity"] == 2
    assert made.json()["packages"][0] | {"weight": "2.5"} == {
        "weight": "2.5",
        "length": "30",
        "width": "20",
        "height": "10",
    }
    labeled = post(api, shipment, "label").json()
    assert (labeled["status"], labeled["label"]["status"]) == ("label_created", "bought")
    assert (labeled["carrier_cost"], labeled["carrier_currency"]) == ("9.50", "USD")
    sent = post(api, shipment, "dispatch", {"estimated_delivery": "2099-01-01"})
    assert (sent.status_code, sent.json()["estimated_delivery"]) == (200, "2099-01-01")
    seen = post(api, shipment, "scans", {"status": "in_transit", "location": "Memphis, TN"})
    assert (seen.status_code, seen.json()["location"]) == (201, "Memphis, TN")
    arrived = post(api, shipment, "deliver", {"recipient": "Ana", "signature": "A."}).json()
    assert (arrived["status"], arrived["recipient"]) == ("delivered", "Ana")
    assert arrived["allowed_actions"] == ["revoke-links"]
    assert api.get(f"{BASE}/{shipment.id}").json() == arrived


def test_a_part_of_the_packed_units_is_shipped(api):
    fulfillment = packed(3)
    item = fulfillment.lines[0].order_item_id
    body = {"fulfillment_id": fulfillment.id, "carrier": "FedEx", "service": "Ground"}
    twice = [{"order_item_id": item, "quantity": 1}] * 2
    assert api.post(BASE, body | {"items": twice}).json()["items"][0]["quantity"] == 2
    response = api.post(BASE, body | {"items": twice})
    assert (response.status_code, response.json()["code"]) == (422, "too_many_packed_units")
    api.post(BASE, body)
    response = api.post(BASE, body)
    assert (response.status_code, response.json()["code"]) == (409, "nothing_to_ship")


def test_a_fulfillment_of_another_organization_is_not_shipped(api):
    response = api.post(BASE, {"fulfillment_id": packed(organization_id="org_2").id})
    assert (response.status_code, list(response.json()["errors"])) == (400, ["fulfillment_id"])


class TestInvalidBodies:
    @pytest.mark.parametrize(
        ("verb", "body", "field"),
        [
            ("scans", {}, "status"),
            ("scans", {"status": "pre_transit"}, "status"),
            ("scans", {"status": "lost", "occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
            (
                "scans",
                {"status": "lost", "occurred_at": "0001-01-01T00:00:00+14:00"},
                "occurred_at",
            ),
            ("scans", {"status": "lost", "when": "now"}, "when"),
            ("deliver", {"delivered_at": "2999-01-01T00:00:00Z"}, "delivered_at"),
            ("deliver", {"delivery_photo_url": "photo"}, "delivery_photo_url"),
            *(("deliver", {"delivered_at": text}, "delivered_at") for text in NO_MOMENTS),
            *(("dispatch", {"estimated_delivery": text}, "estimated_delivery") for text in NO_DAYS),
            ("label", {"carrier_cost": "-1"}, "carrier_cost"),
            ("cancel", {"reason": "x"}, "reason"),
        ],
    )
    def test_the_invalid_field_is_named(self, api, verb, body, field):
        response = post(api, ShipmentFactory(status="label_created"), verb, body)
        assert (response.status_code, list(response.json()["errors"])) == (400, [field])


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("deliver", {"delivered_at": "1970-01-01T00:00:00Z"}),
        ("scans", {"status": "delivered", "occurred_at": "1970-01-01T00:00:00Z"}),
        ("scans", {"status": "in_transit", "occurred_at": "1970-01-01T00:00:00Z"}),
        ("scans", {"status": "lost", "occurred_at": "1970-01-01T00:00:00Z"}),
    ],
)
def test_a_scan_or_delivery_before_the_dispatch_is_refused(api, verb, body):
    response = post(api, ShipmentFactory(status="dispatched"), verb, body)
    assert (response.status_code, response.json()["code"]) == (422, "too_early")
    assert "was dispatched at" in response.json()["detail"]


def test_a_clock_that_is_a_minute_slow_is_accepted(api):
    shipment = ShipmentFactory(status="dispatched")
    body = {"delivered_at": (timezone.now() - timedelta(minutes=1)).isoformat()}
    for _ in range(2):
        response = post(api, shipment, "deliver", body)
        assert response.status_code == 200
        assert response.json()["delivered_at"] == response.json()["dispatched_at"]


def test_an_invalid_transition_lists_the_allowed_actions(api):
    response = post(api, ShipmentFactory(), "scans", {"status": "in_transit"})
    assert (response.status_code, response.json()["code"]) == (409, "invalid_transition")
    assert response.json()["allowed_actions"] == ["label", "cancel"]


def test_shipments_are_filtered(api):
    new, sent = ShipmentFactory(), ShipmentFactory(status="dispatched")
    van = ShipmentFactory(by=BY_HAND)
    late = lifecycle.dispatch_shipment(
        shipment_id=ShipmentFactory(status="label_created").id,
        estimated_delivery=timezone.now().date() - timedelta(days=1),
    )

    def ids(**query):
        return [row["id"] for row in api.get(BASE, query).json()["results"]]

    assert ids() == [late.id, van.id, sent.id, new.id]
    assert ids(order=sent.order_id) == ids(fulfillment=sent.fulfillment_id) == [sent.id]
    assert ids(status="dispatched", late="false") == [sent.id]
    assert ids(late="true") == [late.id]
    assert ids(carrier="MANUAL") == [van.id]
    assert ids(warehouse="wh_2") == []
    assert ids(tracking_number=sent.tracking_number) == [sent.id]
    assert api.get(f"{BASE}/{late.id}").json()["is_late"]


SECRET = b"a-secret-of-the-tests"


def verify(body, headers):
    digest = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(digest, headers.get("X-Signature", "")):
        raise BadSignature("The signature is missing.")


def parse(body):
    return msgspec.json.decode(body, type=carriers.TrackingUpdate | None)


class TestWebhooks:
    @pytest.fixture(autouse=True)
    def _carrier(self, monkeypatch):
        """Let the sandbox send webhooks."""
        module = SimpleNamespace(verify=verify, parse=parse)
        monkeypatch.setitem(views.WEBHOOKS, "sandbox", module)

    def send(self, message, signature=None, carrier="sandbox"):
        body = msgspec.json.encode(message)
        signature = signature or hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        return Client(raise_request_exception=False).post(
            f"/api/v1/webhooks/carriers/{carrier}",
            body,
            content_type="application/json",
            headers={"X-Signature": signature},
        )

    def about(self, shipment):
        seen = carriers.Scan(scan_id="s", status="in_transit", occurred_at=timezone.now())
        return carriers.TrackingUpdate(
            event_id="evt_1",
            tracking_number=shipment.tracking_number,
            reference=None,
            carrier=None,
            scans=(seen,),
        )

    def test_a_signed_webhook_has_one_effect(self):
        shipment, before = ShipmentFactory(status="dispatched"), latest_number()
        for _ in range(3):
            assert self.send(self.about(shipment)).status_code == 204
        assert event_names(shipment.order, after=before) == ["shipment.in_transit"]

    def test_a_webhook_with_an_invalid_signature_is_refused(self):
        response = self.send(self.about(ShipmentFactory(status="dispatched")), signature="no")
        assert (response.status_code, response.json()["code"]) == (400, "bad_signature")
        assert not CarrierWebhook.objects.exists()

    def test_a_webhook_about_something_else_is_ignored(self):
        assert self.send(None).status_code == 204
        assert not CarrierWebhook.objects.exists()

    @pytest.mark.parametrize("carrier", ["manual", "unknown"])
    def test_a_carrier_without_webhooks_is_not_found(self, carrier):
        response = self.send(None, carrier=carrier)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")

    def test_a_large_webhook_is_refused(self):
        response = self.send("x" * 1024 * 1024)
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_a_scan_can_name_its_actor(api):
    body = {"status": "in_transit", "actor": "driver_1"}
    assert json.loads(post(api, ShipmentFactory(status="dispatched"), "scans", body).content)
