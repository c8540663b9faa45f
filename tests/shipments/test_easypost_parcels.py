"""Voiding and tracking labels of EasyPost."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from shipments.carriers import CarrierTimeout, Scan
from shipments.exceptions import CarrierRefused
from tests.shipments.easypost_peer import EasyPostPeer
from tests.shipments.easypost_requests import (
    TRACKING,
    easypost,
    label_request,
    peer_of,
    purchased,
    quoted_request,
)

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(autouse=True)
def peer(settings: Any) -> Iterator[EasyPostPeer]:
    with peer_of(settings) as peer:
        yield peer


def test_repeated_voids_request_one_refund(peer: EasyPostPeer) -> None:
    label = purchased()
    for _ in range(2):
        easypost.void_label(label_request(reference="shp_1"), label.tracking_number)
    assert peer.shipments["shp_1"]["refund_status"] == "submitted"
    assert peer.operations().count("refund") == 1


def test_a_refund_whose_response_was_lost_is_not_repeated(peer: EasyPostPeer) -> None:
    request = label_request(reference=purchased().reference)
    peer.before_post = lambda: peer.faults.append("lost")
    with pytest.raises(CarrierTimeout):
        easypost.void_label(request, None)
    easypost.void_label(request, None)
    assert peer.operations().count("refund") == 1


def test_a_label_that_was_not_bought_needs_no_refund(peer: EasyPostPeer) -> None:
    easypost.void_label(label_request(), None)
    easypost.void_label(quoted_request(), None)
    assert peer.operations() == ["shipments", "shp"]


def test_a_void_waits_while_the_purchase_may_still_succeed(peer: EasyPostPeer) -> None:
    """EasyPost may complete a purchase after the request timed out."""
    request = quoted_request()
    just_now = replace(request, last_purchase_call_at=timezone.now())
    with pytest.raises(CarrierTimeout, match="may still"):
        easypost.void_label(just_now, None)
    peer.buy("shp_1")
    easypost.void_label(just_now, None)
    assert peer.shipments["shp_1"]["refund_status"] == "submitted"
    long_ago = timezone.now() - timedelta(hours=2)
    easypost.void_label(replace(quoted_request(), last_purchase_call_at=long_ago), None)


def test_a_label_that_is_charged_at_its_first_scan_needs_no_refund(peer: EasyPostPeer) -> None:
    peer.refund_status = "not_applicable"
    easypost.void_label(label_request(reference=purchased().reference), None)


def test_a_rejected_refund_can_be_requested_again(peer: EasyPostPeer) -> None:
    request = label_request(reference=purchased().reference)
    peer.refund_status = "rejected"
    with pytest.raises(CarrierRefused, match="does not refund this label"):
        easypost.void_label(request, None)
    peer.refund_status = "refunded"
    easypost.void_label(request, None)


def test_a_refused_refund_is_a_refusal(peer: EasyPostPeer) -> None:
    request = label_request(reference=purchased().reference)
    peer.before_post = lambda: peer.faults.append(422)
    with pytest.raises(CarrierRefused, match="Not with"):
        easypost.void_label(request, None)


def test_a_refusal_because_of_a_concurrent_refund_is_ignored(peer: EasyPostPeer) -> None:
    request = label_request(reference=purchased().reference)
    peer.before_post = lambda: peer.refund("shp_1")
    easypost.void_label(request, None)


def test_one_refused_refund_does_not_keep_the_others(peer: EasyPostPeer) -> None:
    packages = label_request().packages * 3
    request = label_request(reference=purchased(packages=packages).reference)
    peer.before_post = lambda: peer.faults.append(422)
    with pytest.raises(CarrierRefused, match="Not with"):
        easypost.void_label(request, None)
    status = {name: each["refund_status"] for name, each in peer.shipments.items()}
    assert status == {"shp_1": None, "shp_2": "submitted", "shp_3": "submitted"}
    easypost.void_label(request, None)
    assert peer.shipments["shp_1"]["refund_status"] == "submitted"


def test_the_scans_of_several_trackers_have_their_numbers(peer: EasyPostPeer) -> None:
    label = purchased(packages=label_request().packages * 2)
    for number in (1, 2):
        peer.scan(f"shp_{number}", "delivered", "2026-11-24T15:00:00Z")
    scans = easypost.track(replace(TRACKING, reference=label.reference), now=NOW)
    assert [(scan.tracking_number, scan.status) for scan in scans] == [
        (number, "delivered") for number in (label.tracking_number, *label.further)
    ]


def test_the_scans_of_a_tracker(peer: EasyPostPeer) -> None:
    purchased()
    houston = {"city": "HOUSTON", "state": "TX", "country": None}
    peer.scan("shp_1", "delivered", "2026-11-24T15:00:00-06:00", tracking_location=houston)
    peer.scan("shp_1", "unknown", "2026-11-24T14:00:00Z")
    peer.scan("shp_1", "in_transit", None)
    peer.scan(
        "shp_1",
        "pre_transit",
        "2026-11-23T09:30:00",
        message="Label created",
        tracking_location={"city": None, "state": None, "country": "US"},
    )
    peer.shipments["shp_1"]["tracker"]["signed_by"] = "A. TORRES"
    assert easypost.track(TRACKING, now=NOW) == [
        Scan(
            scan_id=None,
            status="pre_transit",
            occurred_at=datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
            location="US",
            description="Label created",
        ),
        Scan(
            scan_id=None,
            status="delivered",
            occurred_at=datetime(2026, 11, 24, 21, tzinfo=UTC),
            location="HOUSTON, TX",
            recipient="A. TORRES",
        ),
    ]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("pre_transit", "pre_transit"),
        ("in_transit", "in_transit"),
        ("out_for_delivery", "in_transit"),
        ("available_for_pickup", "in_transit"),
        ("delivered", "delivered"),
        ("return_to_sender", "returned_to_sender"),
        ("failure", "exception"),
        ("cancelled", "exception"),
        ("error", None),
        ("unknown", None),
        ("a_new_one", None),
    ],
)
def test_the_status_of_a_scan(theirs: str, ours: str | None, peer: EasyPostPeer) -> None:
    purchased()
    peer.scan("shp_1", theirs, "2026-11-24T14:00:00Z")
    scans = easypost.track(TRACKING, now=NOW)
    assert [scan.status for scan in scans] == ([ours] if ours else [])


def test_a_label_that_easypost_did_not_sell_has_no_scans(peer: EasyPostPeer) -> None:
    assert easypost.track(replace(TRACKING, reference=None), now=NOW) == []
    assert not peer.requests
    quoted_request()
    assert easypost.track(TRACKING, now=NOW) == []
    with pytest.raises(CarrierTimeout, match="could not be found"):
        easypost.track(replace(TRACKING, reference="shp_2"), now=NOW)
