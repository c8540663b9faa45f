"""Scans of carriers, repeated and in any order."""

from contextlib import suppress
from datetime import timedelta
from itertools import permutations

import pytest
from django.utils import timezone

from events.aggregate import InvalidTransition
from shipments import selectors
from shipments.exceptions import TooEarly
from shipments.services import creation, lifecycle
from tests.log import event_data, event_names, latest_number
from tests.parallel import at_once
from tests.shipments.factories import ShipmentFactory, aged, scan

pytestmark = pytest.mark.django_db

DELIVERED_FROM = [(state, "delivered") for state in ("label_created", "dispatched", "exception")]


def now(shipment):
    return selectors.get(shipment.id)


def hours(count):
    return timezone.now() - timedelta(hours=count)


def test_a_scan_records_the_location():
    shipment = scan(
        ShipmentFactory(status="dispatched"),
        "in_transit",
        location="Memphis, TN",
        description="In transit to destination",
    )
    assert shipment.location == "Memphis, TN"
    assert event_data(shipment.order, "shipment.in_transit") == {
        "shipment_id": shipment.id,
        "tracking_number": shipment.tracking_number,
        "current_location": "Memphis, TN",
        "status_description": "In transit to destination",
    }


@pytest.mark.parametrize("scan_id", ["scan_1", None])
def test_a_repeated_scan_has_one_effect(scan_id):
    shipment, at, before = aged(ShipmentFactory(status="dispatched")), hours(1), latest_number()
    for _ in range(10):
        scan(shipment, "in_transit", at, scan_id=scan_id, location="Memphis, TN")
    assert event_names(shipment.order, after=before) == ["shipment.in_transit"]
    assert len(now(shipment).scans) == 1


@pytest.mark.parametrize(
    "other",
    [{"location": "Nashville, TN"}, {"at": hours(0.5)}, {"status": "exception"}],
    ids=["place", "time", "status"],
)
def test_scans_without_an_id_differ_by_time_place_and_status(other):
    shipment, first = aged(ShipmentFactory(status="dispatched")), {"status": "in_transit"}
    first |= {"at": hours(1), "location": "Memphis, TN", "scan_id": None}
    scan(shipment, **first)
    scan(shipment, **first | other)
    assert [each.counts for each in now(shipment).scans] == [True, True]


def test_an_older_scan_is_stored_without_effect():
    shipment = aged(ShipmentFactory(status="dispatched"))
    scan(shipment, "in_transit", hours(1), location="Nashville, TN")
    before = latest_number()
    for late in ("in_transit", "exception", "pre_transit"):
        scan(shipment, late, hours(2), location="Memphis, TN")
    assert event_names(shipment.order, after=before) == []
    shipment = now(shipment)
    assert (shipment.location, shipment.status) == ("Nashville, TN", "in_transit")
    assert [each.counts for each in shipment.scans] == [False, False, False, True]


@pytest.mark.parametrize("end", ["delivered", "lost", "returned_to_sender"])
def test_a_late_final_scan_has_its_effect(end):
    shipment = aged(ShipmentFactory(status="dispatched"))
    scan(shipment, "in_transit", hours(1))
    assert scan(shipment, end, hours(2)).status == end


@pytest.mark.parametrize("end", ["delivered", "returned_to_sender", "cancelled"])
def test_scans_after_the_end_are_stored_without_effect(end):
    shipment, before = ShipmentFactory(status=end), latest_number()
    already = len(shipment.scans)
    for status in ("in_transit", "exception", "delivered", "lost", "returned_to_sender"):
        assert scan(shipment, status).status == end
    assert event_names(shipment.order, after=before) == []
    assert len(now(shipment).scans) == already + 5


def test_of_the_scans_after_a_loss_only_the_delivery_and_the_return_count():
    shipment, before = ShipmentFactory(status="lost"), latest_number()
    for status in ("in_transit", "exception", "lost"):
        assert scan(shipment, status).status == "lost"
    assert event_names(shipment.order, after=before) == []
    assert scan(shipment, "delivered").status == "delivered"
    assert "shipment.delivered" in event_names(shipment.order, after=before)


def test_a_lost_parcel_that_comes_back_is_not_delivered():
    """Carriers report its arrival at the sender as a delivery."""
    shipment = ShipmentFactory(status="lost")
    for status in ("returned_to_sender", "delivered"):
        assert scan(shipment, status).status == "returned_to_sender"
    assert "shipment.delivered" not in event_names(shipment.order)


def test_the_first_scan_dispatches_the_shipment():
    shipment, at = aged(ShipmentFactory(status="label_created")), hours(3)
    assert scan(shipment, "in_transit", at).dispatched_at == at
    names = ["shipment.dispatched", "order.shipped", "shipment.in_transit"]
    assert event_names(shipment.order)[-3:] == names


def test_a_pre_transit_scan_does_not_dispatch_the_shipment():
    shipment = aged(ShipmentFactory(status="label_created"))
    assert scan(shipment, "pre_transit").status == "label_created"
    assert scan(shipment, "in_transit", hours(1)).status == "in_transit", (
        "a pre-transit scan does not count as the latest"
    )


def test_a_shipment_without_a_label_cannot_be_scanned():
    with pytest.raises(InvalidTransition) as refused:
        scan(ShipmentFactory(), "in_transit")
    assert "cancel" in refused.value.details["allowed_actions"]


def test_the_delivery_scan_names_the_recipient():
    shipment = scan(ShipmentFactory(status="in_transit"), "delivered", recipient="A. TORRES")
    assert event_data(shipment.order, "shipment.delivered")["recipient"] == "A. TORRES"


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_scans_in_any_order_lead_to_the_same_end(order):
    shipment = aged(ShipmentFactory(status="label_created"))
    scans = [("in_transit", hours(3)), ("exception", hours(2)), ("delivered", hours(1))]
    for which in order:
        for _ in range(2):
            with suppress(TooEarly):  # the first scan tells when it was dispatched
                scan(shipment, *scans[which], scan_id=f"scan_{which}")
    assert now(shipment).status == "delivered"
    names = event_names(shipment.order)
    assert names.count("shipment.delivered") == names.count("shipment.dispatched") == 1
    assert names[names.index("shipment.delivered") :] == ["shipment.delivered", "order.delivered"]


def test_long_texts_are_truncated():
    shipment = ShipmentFactory(status="dispatched")
    scan(
        shipment,
        "delivered",
        scan_id="x" * 300,
        location="x" * 300,
        description="x" * 600,
        recipient="x" * 300,
    )
    assert len(now(shipment).recipient) == 200


def test_a_scan_in_the_future_does_not_hide_later_scans():
    shipment, next_year = ShipmentFactory(status="dispatched"), hours(-24 * 365)
    for _ in range(2):
        scan(shipment, "in_transit", next_year, scan_id=None)
    assert scan(shipment, "exception").status == "exception"
    first, _ = now(shipment).scans
    assert first.occurred_at <= timezone.now()


@pytest.mark.parametrize(("state", "status"), [("label_created", "in_transit"), *DELIVERED_FROM])
def test_a_scan_before_the_creation_or_dispatch_is_refused(state, status):
    shipment, before = ShipmentFactory(status=state), latest_number()
    with pytest.raises(TooEarly, match="which is after the given time"):
        scan(shipment, status, hours(24))
    assert event_names(shipment.order, after=before) == []
    assert scan(shipment, status, hours(0.1)).dispatched_at >= shipment.created_at


@pytest.mark.django_db(transaction=True)
def test_concurrent_scans_with_one_id_have_one_effect():
    shipment, at = aged(ShipmentFactory(status="label_created")), hours(1)

    def report(n):
        return scan(shipment, "delivered", at, scan_id="scan_1").status

    assert at_once(4, report) == ["delivered"] * 4
    names = event_names(shipment.order)
    assert names.count("shipment.dispatched") == names.count("shipment.delivered") == 1


@pytest.mark.django_db(transaction=True)
def test_of_a_concurrent_dispatch_and_cancellation_one_succeeds():
    shipment = ShipmentFactory(status="label_created")
    verbs = (lifecycle.dispatch_shipment, creation.cancel_shipment)

    def act(n):
        return verbs[n % 2](shipment_id=shipment.id).status

    results = at_once(4, act)
    refused = [result for result in results if isinstance(result, InvalidTransition)]
    (status,) = {result for result in results if result not in refused}
    assert len(refused) == 2
    assert now(shipment).status == status
