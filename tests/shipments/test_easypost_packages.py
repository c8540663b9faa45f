"""Shipments of several packages by EasyPost: all labels or none, also after a kill."""

import pytest
from django.utils import timezone

from fulfillment import services as fulfillment
from shipments.carriers import Scan, TrackingUpdate
from shipments.carriers import easypost as adapter
from shipments.models import CarrierAccount
from shipments.services import creation, label_purchase, labels, tracking, webhooks
from tests.factories import ADDRESS
from tests.fulfillment.factories import PACKAGE, fulfillments, order_in, pick_all, reach
from tests.log import event_data, event_names
from tests.parallel import killed
from tests.shipments.easypost_requests import peer_of
from tests.shipments.factories import create, dispatch, label
from tests.shipments.recorder import later, now, with_label_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def peer(settings):
    with peer_of(settings) as peer:
        yield peer


@pytest.fixture
def sofa(peer):
    """A shipment of two cartons whose label is requested from EasyPost."""
    CarrierAccount.objects.create(organization_id="org_1", carrier="FedEx", adapter="easypost")
    order = order_in({"wh_1": 1}, shipping_address=ADDRESS | {"postal_code": "38103"})
    picked = reach(fulfillments(order)[0], "started")
    pick_all(picked)
    fulfillment.pack_fulfillment(fulfillment_id=picked.id, packages=[PACKAGE] * 2)
    return labels.label_shipment(shipment_id=create(picked).id)


def bought(peer):
    return [name for name, each in peer.shipments.items() if each["postage_label"]]


def paid(peer):
    return [name for name in bought(peer) if not peer.shipments[name]["refund_status"]]


def test_a_sofa_in_two_cartons_has_two_labels(api, peer, sofa):
    shown = api.post(f"/api/v1/shipments/{sofa.id}/label").json()
    first, second = (peer.shipments[name]["tracking_code"] for name in ("shp_1", "shp_2"))
    assert (shown["status"], shown["tracking_number"]) == ("label_created", first)
    assert shown["tracking_numbers"] == [first, second]
    assert shown["label_url"] == "https://files.example.com/shp_1.pdf"
    assert shown["further_label_urls"] == ["https://files.example.com/shp_2.pdf"]
    assert (shown["carrier_cost"], paid(peer)) == ("24.80", ["shp_1", "shp_2"])
    assert event_data(sofa.order, "shipment.label_created")["tracking_number"] == first


def test_webhooks_and_polls_of_both_cartons_deliver_it(peer, sofa):
    shipment, at = dispatch(label(sofa)), timezone.now()
    second = peer.shipments["shp_2"]
    update = TrackingUpdate(
        event_id="evt_1",
        tracking_number=second["tracking_code"],
        reference="shp_2",
        carrier="FedExDefault",
        scans=(Scan(scan_id=None, status="delivered", occurred_at=at),),
    )
    webhooks.receive_webhook(adapter="easypost", update=update)
    assert now(shipment).status == "in_transit"
    peer.scan("shp_2", "delivered", at.isoformat())
    peer.scan("shp_1", "delivered", at.isoformat())
    tracking.poll_due_carriers(now=later(31))
    assert now(shipment).status == "delivered"
    assert [scan.tracking_number for scan in now(shipment).scans] == [
        second["tracking_code"],
        peer.shipments["shp_1"]["tracking_code"],
    ]


def test_a_purchase_that_is_refused_half_way_is_voided_and_can_be_repeated(api, peer, sofa):
    peer.refused = {"shp_2"}
    refused = api.post(f"/api/v1/shipments/{sofa.id}/label")
    assert (refused.status_code, refused.json()["code"]) == (422, "carrier_refused")
    assert "too heavy" in refused.json()["detail"]
    assert (
        "The labels of 1 of 2 packages were bought and will be voided" in (refused.json()["detail"])
    )
    assert with_label_problem() == [sofa.id]
    label_purchase.call_due_carriers(now=later())
    assert (bought(peer), paid(peer), now(sofa).label.status) == (["shp_1"], [], "voided")
    assert "too heavy" in now(sofa).label.last_error, "operators see why it has no label"
    peer.refused = set()
    assert label(sofa).status == "label_created"
    assert (paid(peer), with_label_problem()) == (["shp_3", "shp_4"], [])
    assert event_names(sofa.order).count("shipment.label_created") == 1


def test_a_timeout_half_way_is_continued(peer, sofa):
    peer.faults.extend([None] * 5 + ["lost"])  # two creations, two lookups, a purchase
    assert label_purchase.call_carrier(shipment_id=sofa.id) == "no_response"
    assert now(sofa).label.status == "wanted"
    label_purchase.call_due_carriers(now=later())
    assert (now(sofa).status, paid(peer)) == ("label_created", ["shp_1", "shp_2"])
    assert peer.purchases == 2


def test_a_cancellation_half_way_voids_what_was_bought(peer, sofa):
    peer.faults.extend([None] * 5 + [503])
    assert label_purchase.call_carrier(shipment_id=sofa.id) == "no_response"
    assert paid(peer) == ["shp_1"]
    creation.cancel_shipment(shipment_id=sofa.id)
    label_purchase.call_due_carriers(now=later(60))
    assert paid(peer) == []
    label_purchase.call_due_carriers(now=later(120))
    assert (now(sofa).status, now(sofa).label.status) == ("cancelled", "void_wanted")


def test_a_cancellation_during_a_refusal_half_way_voids_what_was_bought(peer, sofa, monkeypatch):
    peer.refused, buy = {"shp_2"}, adapter._bought

    def cancelled_meanwhile(reference, rate):
        if reference == "shp_2":
            creation.cancel_shipment(shipment_id=sofa.id)
        return buy(reference, rate)

    monkeypatch.setattr(adapter, "_bought", cancelled_meanwhile)
    label_purchase.call_carrier(shipment_id=sofa.id)
    label_purchase.call_due_carriers(now=later(60))
    assert (bought(peer), paid(peer), now(sofa).status) == (["shp_1"], [], "cancelled")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_a_killed_purchase_is_continued(peer, sofa, turn):
    """The caller is killed before it buys the label of the first, or of the second carton."""
    killed(lambda: label_purchase.call_carrier(shipment_id=sofa.id), adapter, "_bought", turn=turn)
    assert (now(sofa).label.status, len(bought(peer))) == ("wanted", turn - 1)
    label_purchase.call_due_carriers(now=later())
    assert (now(sofa).status, paid(peer)) == ("label_created", ["shp_1", "shp_2"])
    assert peer.purchases == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["_record_refusal", "_record"])
def test_a_caller_killed_after_a_refusal_half_way_leaves_no_label(peer, sofa, place):
    """It is killed before the refusal is recorded, or before the result of the void is."""
    peer.refused = {"shp_2"}
    turn = {"_record_refusal": 1, "_record": 2}[place]  # the first is the quote's

    def work():
        label_purchase.call_carrier(shipment_id=sofa.id)
        label_purchase.call_due_carriers(now=later())

    killed(work, label_purchase, place, turn=turn)
    for minutes in (10, 20):
        label_purchase.call_due_carriers(now=later(minutes))
    assert (paid(peer), now(sofa).label.status, now(sofa).status) == ([], "voided", "created")
    assert event_names(sofa.order).count("shipment.label_refused") == 1
