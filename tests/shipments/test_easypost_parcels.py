from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from shipments.carriers import CarrierTimeout, Scan
from shipments.exceptions import CarrierRefused
from tests.shipments.easypost_peer import EasyPostPeer
from tests.shipments.easypost_requests import TRACKED, bought, easypost, peer_of, quoted, wanted

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(autouse=True)
def peer(settings: Any) -> Iterator[EasyPostPeer]:
    with peer_of(settings) as peer:
        yield peer


def test_a_label_is_given_back_once_however_often_it_is_voided(peer: EasyPostPeer) -> None:
    label = bought()
    for _ in range(2):
        easypost.void_label(wanted(reference="shp_1"), label.tracking_number)
    assert peer.shipments["shp_1"]["refund_status"] == "submitted"
    assert peer.asked().count("refund") == 1


def test_a_refund_whose_answer_was_lost_is_not_asked_for_twice(peer: EasyPostPeer) -> None:
    asked = wanted(reference=bought().reference)
    peer.meanwhile = lambda: peer.faults.append("lost")
    with pytest.raises(CarrierTimeout):
        easypost.void_label(asked, None)
    easypost.void_label(asked, None)
    assert peer.asked().count("refund") == 1


def test_what_was_never_bought_is_not_given_back(peer: EasyPostPeer) -> None:
    easypost.void_label(wanted(), None)
    easypost.void_label(quoted(), None)
    assert peer.asked() == ["shipments", "shp"]


def test_one_that_may_yet_be_sold_is_waited_for(peer: EasyPostPeer) -> None:
    """A purchase that ran into a timeout is carried on over there."""
    asked = quoted()
    just_now = replace(asked, last_purchase_call_at=timezone.now())
    with pytest.raises(CarrierTimeout, match="may still"):
        easypost.void_label(just_now, None)
    peer.buy("shp_1")
    easypost.void_label(just_now, None)
    assert peer.shipments["shp_1"]["refund_status"] == "submitted"
    long_ago = timezone.now() - timedelta(hours=2)
    easypost.void_label(replace(quoted(), last_purchase_call_at=long_ago), None)


def test_a_label_that_is_billed_when_it_is_scanned_needs_no_refund(peer: EasyPostPeer) -> None:
    peer.refund_status = "not_applicable"
    easypost.void_label(wanted(reference=bought().reference), None)


def test_a_refund_that_the_carrier_rejects_may_be_asked_for_again(peer: EasyPostPeer) -> None:
    asked = wanted(reference=bought().reference)
    peer.refund_status = "rejected"
    with pytest.raises(CarrierRefused, match="does not refund this label"):
        easypost.void_label(asked, None)
    peer.refund_status = "refunded"
    easypost.void_label(asked, None)


def test_a_refund_that_easypost_refuses_is_refused(peer: EasyPostPeer) -> None:
    asked = wanted(reference=bought().reference)
    peer.meanwhile = lambda: peer.faults.append(422)
    with pytest.raises(CarrierRefused, match="Not with"):
        easypost.void_label(asked, None)


def test_one_that_was_given_back_meanwhile_is_no_refusal(peer: EasyPostPeer) -> None:
    asked = wanted(reference=bought().reference)
    peer.meanwhile = lambda: peer.refund("shp_1")
    easypost.void_label(asked, None)


def test_a_parcel_is_tracked(peer: EasyPostPeer) -> None:
    bought()
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
    assert easypost.track(TRACKED, now=NOW) == [
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
def test_a_status_is_read_as_what_it_means(
    theirs: str, ours: str | None, peer: EasyPostPeer
) -> None:
    bought()
    peer.scan("shp_1", theirs, "2026-11-24T14:00:00Z")
    scans = easypost.track(TRACKED, now=NOW)
    assert [scan.status for scan in scans] == ([ours] if ours else [])


def test_nothing_is_known_of_a_parcel_that_easypost_has_not_sold(peer: EasyPostPeer) -> None:
    assert easypost.track(replace(TRACKED, reference=None), now=NOW) == []
    assert not peer.requests
    quoted()
    assert easypost.track(TRACKED, now=NOW) == []
    with pytest.raises(CarrierTimeout, match="could not be found"):
        easypost.track(replace(TRACKED, reference="shp_2"), now=NOW)
