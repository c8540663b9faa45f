"""A hold stops what is in the warehouse; what a carrier has goes on."""

from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from orders.services import lifecycle
from shipments import selectors, tasks
from shipments.carriers import Scan, TrackingUpdate
from shipments.carriers.registry import CARRIERS
from shipments.services import labels, webhooks
from tests.flows.goods import confirmed, pack, ship
from tests.fulfillment.factories import PACKAGE, FulfillmentFactory, fulfillments, pick_all
from tests.log import event_names, latest_number
from tests.shipments.factories import BY_HAND, ShipmentFactory
from tests.shipments.recorder import Recorder

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

NOTE = "There is no such street."
LABEL = {"tracking_number": "N1"}


@contextmanager
def held(row):
    """Hold the row's order during the block."""
    lifecycle.hold_order(order_id=row.order_id, reason="address", note=NOTE)
    yield
    lifecycle.release_order(order_id=row.order_id)


def picked():
    """Return a started fulfillment with all units picked."""
    fulfillment = FulfillmentFactory(status="started")
    pick_all(fulfillment)
    return fulfillment


def one_unit(fulfillment):
    item = fulfillment.lines[0].order_item_id
    return {"order_item_id": item, "quantity": 1, "scan_id": str(uuid4())}


@pytest.mark.parametrize(
    ("make", "path", "body", "verb"),
    [
        (FulfillmentFactory, "fulfillments/{}/start", None, "start"),
        (lambda: FulfillmentFactory(status="started"), "fulfillments/{}/picks", one_unit, "pick"),
        (picked, "fulfillments/{}/pack", lambda row: {"packages": [PACKAGE]}, "pack"),
        (ShipmentFactory, "shipments/{}/label", None, "label"),
        (lambda: ShipmentFactory(by=BY_HAND), "shipments/{}/label", lambda row: LABEL, "label"),
        (
            lambda: ShipmentFactory(status="label_created"),
            "shipments/{}/dispatch",
            None,
            "dispatch",
        ),
    ],
    ids=["start", "pick", "pack", "buy label", "enter label", "dispatch"],
)
def test_a_held_order_is_not_sent_until_it_is_released(api, make, path, body, verb):
    row = make()
    url, sent = f"/api/v1/{path.format(row.id)}", body(row) if body else {}
    resource = url.rpartition("/")[0]
    with held(row):
        before = latest_number()
        refused = api.post(url, sent)
        assert (refused.status_code, refused.json()["code"]) == (409, "order_on_hold")
        assert f"is on hold (address: {NOTE})" in refused.json()["detail"]
        assert verb not in refused.json()["allowed_actions"]
        shown = api.get(resource).json()
        assert (shown["on_hold"], verb in shown["allowed_actions"]) == (True, False)
        assert latest_number() == before
    assert api.post(url, sent).status_code in (200, 201)


def test_units_that_are_missing_can_be_reported_during_a_hold(api):
    fulfillment = FulfillmentFactory(status="started")
    missing = one_unit(fulfillment) | {"short_reason": "not found"}
    with held(fulfillment):
        assert api.post(f"/api/v1/fulfillments/{fulfillment.id}/picks", missing).status_code == 201


def test_what_is_in_the_van_goes_on(api, run_reactions):
    order = confirmed({"wh_1": 2, "wh_2": 1}, run_reactions=run_reactions)
    first, _ = fulfillments(order)
    pack(first, run_reactions=run_reactions)
    shipment = ship(first, run_reactions=run_reactions)
    with held(shipment):
        scan = Scan(scan_id="scan_1", status="in_transit", occurred_at=timezone.now())
        update = TrackingUpdate(
            event_id="evt_1",
            tracking_number=str(shipment.tracking_number),
            reference=None,
            carrier=None,
            scans=(scan,),
        )
        webhooks.receive_webhook(adapter="sandbox", update=update)
        url = f"/api/v1/shipments/{shipment.id}"
        assert api.get(url).json()["status"] == "in_transit"
        assert api.post(f"{url}/scans", {"status": "exception"}).json()["status"] == "exception"
        assert api.post(f"{url}/deliver").json()["status"] == "delivered"
        run_reactions()
        assert "order.part_delivered" in event_names(order)


def test_a_scan_dispatches_a_held_parcel(api):
    """The parcel is with the carrier, whatever the warehouse was to do."""
    shipment = ShipmentFactory(status="label_created")
    with held(shipment):
        response = api.post(f"/api/v1/shipments/{shipment.id}/scans", {"status": "in_transit"})
        assert (response.status_code, response.json()["status"]) == (201, "in_transit")


def test_a_requested_label_is_bought_after_the_release(monkeypatch):
    carrier = Recorder()
    monkeypatch.setitem(CARRIERS, "sandbox", carrier)
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    later = (timezone.now() + timedelta(minutes=5)).isoformat()
    with held(shipment):
        tasks.call_carrier(shipment.id, "org_1")
        tasks.call_carriers(now=later)
        assert carrier.calls == []
        assert selectors.get(shipment.id).label.status == "wanted"
    tasks.call_carriers(now=later)
    assert selectors.get(shipment.id).status == "label_created"
