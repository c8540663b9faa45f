"""EasyPost's webhooks: signatures and content."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client

from config.core.exceptions import BadMessage, BadSignature
from shipments.carriers import Scan, TrackingUpdate
from shipments.carriers.easypost import parse, verify
from shipments.models import CarrierWebhook
from tests.shipments.easypost_peer import EasyPostPeer

EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "Event",
    "description": "tracker.updated",
    "result": {
        "id": "trk_1",
        "object": "Tracker",
        "tracking_code": "9400",
        "shipment_id": "shp_1",
        "carrier": "USPS",
        "status": "in_transit",
        "signed_by": None,
        "weight": 136.0,
        "tracking_details": [
            {
                "object": "TrackingDetail",
                "message": "Arrived at facility",
                "status": "in_transit",
                "datetime": "2026-11-24T08:25:26Z",
                "tracking_location": {"city": "HOUSTON", "state": "TX"},
            }
        ],
    },
}


@pytest.fixture(autouse=True)
def peer(settings: Any) -> EasyPostPeer:
    peer = EasyPostPeer()
    settings.EASYPOST_WEBHOOK_SECRET = peer.secret
    return peer


def test_a_valid_signature_is_accepted(peer: EasyPostPeer) -> None:
    body, headers = peer.signed(EVENT)
    assert b'"weight":136.0' in body
    verify(body, headers)
    verify(body, {name.lower(): value for name, value in headers.items()})
    request = HttpRequest()
    request.META["HTTP_X_HMAC_SIGNATURE"] = headers["X-Hmac-Signature"]
    verify(body, request.headers)


def test_an_invalid_signature_is_refused(peer: EasyPostPeer) -> None:
    body, headers = peer.signed(EVENT)
    signature = headers["X-Hmac-Signature"]
    peer.secret = "of another sender"
    _, foreign = peer.signed(EVENT)
    for received, signed in (
        (body.replace(b"evt_1", b"evt_2"), headers),
        (body.replace(b"136.0", b"136"), headers),
        (body + b"\n", headers),
        (b"", headers),
        (body, foreign),
        (body, {}),
        (body, {"X-Hmac-Signature": ""}),
        (body, {"X-Hmac-Signature": signature.removeprefix("hmac-sha256-hex=")}),
        (body, {"X-Hmac-Signature": signature[:-1]}),
        (body, {"X-Hmac-Signature": "é"}),
    ):
        with pytest.raises(BadSignature, match="check EASYPOST_WEBHOOK_SECRET"):
            verify(received, signed)


def test_without_a_secret_every_signature_is_refused(peer: EasyPostPeer, settings: Any) -> None:
    peer.secret = settings.EASYPOST_WEBHOOK_SECRET = ""
    with pytest.raises(BadSignature):
        verify(*peer.signed(EVENT))


@pytest.mark.parametrize("kind", ["tracker.created", "tracker.updated"])
def test_a_tracker_event_is_parsed(kind: str, peer: EasyPostPeer) -> None:
    body, _ = peer.signed(EVENT | {"description": kind})
    assert parse(body) == TrackingUpdate(
        event_id="evt_1",
        tracking_number="9400",
        reference="shp_1",
        carrier="USPS",
        scans=(
            Scan(
                scan_id=None,
                status="in_transit",
                occurred_at=datetime(2026, 11, 24, 8, 25, 26, tzinfo=UTC),
                location="HOUSTON, TX",
                description="Arrived at facility",
            ),
        ),
    )


def test_a_tracker_event_without_a_shipment_has_only_a_tracking_number() -> None:
    tracker = EVENT["result"] | {"shipment_id": None, "carrier": None, "tracking_details": []}
    update = parse(json.dumps(EVENT | {"result": tracker}).encode())
    assert update
    assert (update.tracking_number, update.reference, update.carrier, update.scans) == (
        "9400",
        None,
        None,
        (),
    )


@pytest.mark.parametrize("kind", ["batch.updated", "refund.successful", "shipment.invoice.created"])
def test_other_events_are_ignored(kind: str) -> None:
    assert parse(json.dumps(EVENT | {"description": kind, "result": {}}).encode()) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps(EVENT | {"result": None}).encode(),
        json.dumps(EVENT | {"result": {"tracking_code": None}}).encode(),
        json.dumps(EVENT | {"result": EVENT["result"] | {"tracking_details": [{}]}}).encode(),
        json.dumps(EVENT).replace("2026-11-24T08:25:26Z", "0001-01-01T00:00:00+23:59").encode(),
        b"[" * 100_000,
        b'"\xff"',
    ],
)
def test_a_malformed_event_is_an_error(body: bytes) -> None:
    with pytest.raises(BadMessage, match="not an event of EasyPost"):
        parse(body)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"id": "evt_\0"},
        {"id": "evt_\ud800"},
        {"id": ["evt_1"]},
        {"result": EVENT["result"] | {"tracking_code": ["9400"]}},
        {"result": EVENT["result"] | {"carrier": 1}},
    ],
)
def test_a_signed_event_of_another_form_is_refused(change: dict[str, Any], peer: Any) -> None:
    body, headers = peer.signed(EVENT | change)
    client = Client(raise_request_exception=False)
    path = "/api/v1/webhooks/carriers/easypost"
    response = client.post(path, body, content_type="application/json", headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "bad_message")
    assert not CarrierWebhook.objects.exists()
