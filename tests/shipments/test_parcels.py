"""Parcels as they are: several numbers, one number for several orders, and reused numbers."""

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from shipments.carriers import Scan, TrackingUpdate
from shipments.exceptions import LabelNotByHand, TrackingNumberTaken
from shipments.models import CarrierWebhook
from shipments.services import creation, labels, webhooks
from tests.factories import ADDRESS
from tests.log import event_data, event_names
from tests.parallel import at_once
from tests.shipments.factories import (
    BY_HAND,
    ShipmentFactory,
    aged,
    cancel_order,
    dispatch,
    label,
    packed,
    scan,
)
from tests.shipments.factories import create as create_shipment
from tests.shipments.recorder import now

pytestmark = pytest.mark.django_db
BASE = "/api/v1/shipments"


def shipped_as(*numbers, **order):
    shipment = ShipmentFactory(by=BY_HAND, **order)
    given = {"tracking_number": None, "tracking_numbers": numbers}
    return dispatch(label(shipment, **given))


def status_after(shipment, status, number=None, **given):
    return scan(shipment, status, tracking_number=number, **given).status


def forwarded():
    """Apply the scans that are stored for orders in the same box."""
    return webhooks.process_pending_webhooks(now=timezone.now())


def webhook(number, status="in_transit", at=None, *, adapter="sandbox", event_id="evt_1", **given):
    found = Scan(scan_id=None, status=status, occurred_at=at or timezone.now(), location="Reno")
    update = TrackingUpdate(
        event_id=event_id, tracking_number=number, reference=None, carrier=None, scans=(found,)
    )
    webhooks.receive_webhook(adapter=adapter, update=update)


class TestSeveralNumbers:
    def test_they_are_recorded_shown_and_found(self, api, operator):
        shipment = ShipmentFactory(by=BY_HAND)
        body = {"tracking_numbers": ["N1", "N2"]}
        shown = api.post(f"{BASE}/{shipment.id}/label", body).json()
        assert (shown["tracking_number"], shown["tracking_numbers"]) == ("N1", ["N1", "N2"])
        assert event_data(shipment.order, "shipment.label_created")["tracking_number"] == "N1"
        again = api.post(f"{BASE}/{shipment.id}/label", body)
        assert (again.status_code, again.json()) == (200, shown)
        listed = reverse("admin:shipments_shipment_changelist")
        client = operator()
        for number in ("N1", "N2"):
            found = api.get(f"{BASE}?tracking_number={number}").json()["results"]
            assert [each["id"] for each in found] == [shipment.id]
            rows = client.get(listed, {"q": number}).context["cl"].result_list
            assert [row.pk for row in rows] == [shipment.id]
        page = client.get(reverse("admin:shipments_shipment_change", args=[shipment.id]))
        assert "N1, N2" in page.content.decode()

    def test_an_operator_enters_them_in_one_field(self, operator):
        shipment, client = ShipmentFactory(by=BY_HAND), operator()
        url = reverse("admin:shipments_shipment_command", args=[shipment.id, "label"])
        twice = client.post(url, {"tracking_numbers": "N1 N1"})
        assert twice.context["form"].errors == {"tracking_numbers": ["A number is in it twice."]}
        long = client.post(url, {"tracking_numbers": f"N1 {'N' * 65}"})
        assert list(long.context["form"].errors) == ["tracking_numbers"]
        assert client.post(url, {"tracking_numbers": "N1  N2"}).status_code == 302
        assert now(shipment).tracking_numbers == ["N1", "N2"]

    def test_it_is_delivered_when_all_of_them_are(self, api):
        shipment = shipped_as("N1", "N2", "N3")
        assert status_after(shipment, "delivered", "N1") == "in_transit"
        assert status_after(shipment, "in_transit", "N2") == "in_transit"
        assert status_after(shipment, "delivered", "N3") == "in_transit"
        assert status_after(shipment, "delivered", "N3") == "in_transit", "another scan of it"
        shown = api.get(f"{BASE}/{shipment.id}").json()
        assert [(each["tracking_number"], each["status"]) for each in shown["scans"]][:2] == [
            ("N1", "delivered"),
            ("N2", "in_transit"),
        ]
        assert status_after(shipment, "delivered", "N2") == "delivered"
        names = event_names(shipment.order)
        assert (names.count("shipment.in_transit"), names.count("shipment.delivered")) == (4, 1)
        assert event_data(shipment.order, "shipment.in_transit")["tracking_number"] == "N1"

    def test_the_delivery_has_the_time_of_the_last_parcel(self):
        shipment, late = aged(shipped_as("N1", "N2")), timezone.now() - timedelta(hours=1)
        scan(shipment, "delivered", late, tracking_number="N2")
        scan(shipment, "delivered", late - timedelta(hours=1), tracking_number="N1")
        assert now(shipment).delivered_at == late

    def test_a_scan_without_a_number_is_about_all(self):
        assert status_after(shipped_as("N1", "N2"), "delivered") == "delivered"
        assert status_after(shipped_as("M1", "M2"), "lost") == "lost"

    def test_it_is_lost_when_all_of_them_are_and_may_turn_up(self):
        shipment = shipped_as("N1", "N2")
        assert status_after(shipment, "lost", "N1") == "exception"
        assert not now(shipment).was_lost
        assert status_after(shipment, "lost", "N2") == "lost"
        assert now(shipment).was_lost
        assert status_after(shipment, "delivered", "N2") == "lost"
        assert status_after(shipment, "delivered", "N1") == "delivered"

    def test_one_lost_and_one_delivered_wait_for_an_operator(self):
        shipment = shipped_as("N1", "N2")
        status_after(shipment, "delivered", "N1")
        assert status_after(shipment, "lost", "N2") == "exception"
        assert status_after(shipment, "returned_to_sender") == "returned_to_sender"

    def test_parcels_that_are_scanned_together_are_two_scans(self):
        shipment, at = shipped_as("N1", "N2"), timezone.now()
        for number in ("N1", "N2", "N1"):
            scan(shipment, "in_transit", at, tracking_number=number, scan_id=None)
        assert len(now(shipment).scans) == 2

    def test_the_number_of_a_scan_must_be_one_of_them(self, api):
        shipment = shipped_as("N1", "N2")
        body = {"status": "in_transit", "tracking_number": "N9"}
        refused = api.post(f"{BASE}/{shipment.id}/scans", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_tracking_number")
        assert "it has N1, N2." in refused.json()["detail"]


class TestOneBox:
    def test_orders_of_one_customer_to_one_address_share_a_number(self):
        first, second = shipped_as("N1"), shipped_as("N1")
        assert status_after(first, "in_transit") == "in_transit"
        assert now(second).status == "dispatched", "it has a transaction of its own"
        assert forwarded() == 1
        assert now(second).status == "in_transit"
        scan(second, "delivered")
        forwarded()
        assert (now(first).status, now(second).status) == ("delivered", "delivered")
        for shipment in (first, second):
            assert event_names(shipment.order).count("shipment.delivered") == 1
        assert forwarded() == 0, "a scan is not sent back"

    @pytest.mark.parametrize(
        "other",
        [
            {"customer_id": "cust_2"},
            {"shipping_address": {**ADDRESS, "line1": "2 Main Street"}},
            {"customer_email": "ana@example.com"},
        ],
    )
    def test_others_must_say_so(self, api, other):
        shipped_as("N1")
        second = ShipmentFactory(by=BY_HAND, **other)
        refused = api.post(f"{BASE}/{second.id}/label", {"tracking_number": "N1"})
        assert (refused.status_code, refused.json()["code"]) == (422, "tracking_number_taken")
        assert "send “shared”: true" in refused.json()["detail"]
        body = {"tracking_number": "N1", "shared": True}
        assert api.post(f"{BASE}/{second.id}/label", body).status_code == 200

    def test_two_shipments_of_one_order_must_say_so(self):
        fulfillment = packed(1, 1)
        one, two = (
            create_shipment(fulfillment, **BY_HAND, units={item.order_item_id: 1})
            for item in fulfillment.lines
        )
        label(one, tracking_number="N1")
        with pytest.raises(TrackingNumberTaken):
            label(two, tracking_number="N1")
        assert label(two, tracking_number="N1", shared=True).tracking_number == "N1"

    def test_a_delivery_with_its_proof_moves_all(self, api):
        first, second, third = shipped_as("N1"), shipped_as("N1"), shipped_as("N1")
        api.post(f"{BASE}/{second.id}/deliver", {"recipient": "Ana"})
        forwarded()
        assert {now(each).status for each in (first, second, third)} == {"delivered"}
        assert now(first).recipient == "Ana"

    def test_only_the_shared_one_of_several_numbers_moves_the_other(self):
        first, second = shipped_as("N1", "N2"), shipped_as("N2")
        status_after(first, "in_transit", "N1")
        assert forwarded() == 0
        status_after(second, "delivered")
        forwarded()
        assert now(first).status == "in_transit"
        assert status_after(first, "delivered", "N1") == "delivered"

    def test_an_order_joins_the_box_whose_label_was_bought(self, operator):
        first, second = ShipmentFactory(status="dispatched"), ShipmentFactory()
        with pytest.raises(LabelNotByHand):
            label_by_hand(second, "another")
        joined = label_by_hand(second, first.tracking_number)
        assert (joined.status, joined.labels) == ("label_created", [])
        webhook(first.tracking_number, "delivered")
        forwarded()
        assert (now(first).status, now(second).status) == ("delivered", "delivered")
        page = operator().get(reverse("admin:shipments_shipment_change", args=[first.id]))
        assert "in the box of another order" in page.content.decode()

    def test_an_order_that_is_cancelled_meanwhile_stays(self):
        first, second = shipped_as("N1"), ShipmentFactory(by=BY_HAND)
        label(second, tracking_number="N1")
        cancel_order(second)
        scan(first, "delivered")
        forwarded()
        assert now(second).status == "label_created"

    def test_nothing_is_stored_for_a_number_of_one_order(self):
        scan(shipped_as("N1"), "delivered")
        assert not CarrierWebhook.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_concurrent_orders_do_not_take_one_number(self):
        both = [ShipmentFactory(by=BY_HAND, customer_id=f"cust_{n}") for n in range(2)]
        results = at_once(2, lambda n: label(both[n], tracking_number="N1").id)
        assert sum(isinstance(each, TrackingNumberTaken) for each in results) == 1

    @pytest.mark.django_db(transaction=True)
    def test_concurrent_scans_of_both_do_not_deadlock(self):
        both = [shipped_as("N1"), shipped_as("N1")]
        at_once(4, lambda n: (scan(both[n % 2], "in_transit").id, forwarded()))
        forwarded()
        assert [len(now(each).scans) for each in both] == [4, 4]


def label_by_hand(shipment, number):
    labels.label_shipment(shipment_id=shipment.id, tracking_number=number)
    return now(shipment)


class TestReusedNumbers:
    """A carrier gives the number of a delivered parcel to another one."""

    def pair(self):
        old = aged(ShipmentFactory(status="dispatched"), hours=90 * 24)
        scan(old, "delivered", timezone.now() - timedelta(days=80))
        new = dispatch(ShipmentFactory(status="label_created", customer_id="cust_2"))
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE shipments_shipment SET tracking_number = %s WHERE id = %s",
                [old.tracking_number, new.id],
            )
        return now(old), now(new)

    def test_an_ended_shipment_does_not_keep_its_number(self):
        old = shipped_as("N1", "N2")
        scan(old, "delivered")
        assert shipped_as("N2", customer_id="cust_2").status == "dispatched"
        third = ShipmentFactory(by=BY_HAND, customer_id="cust_3")
        creation.cancel_shipment(shipment_id=label(third, tracking_number="N9").id)
        assert shipped_as("N9", customer_id="cust_4").status == "dispatched"

    def test_a_late_webhook_of_the_old_one_does_not_touch_the_new_one(self):
        old, new = self.pair()
        webhook(old.tracking_number, "delivered", timezone.now() - timedelta(days=79))
        assert (now(new).status, now(new).scans) == ("dispatched", [])
        assert CarrierWebhook.objects.get().applied_at

    @pytest.mark.parametrize("status", ["in_transit", "delivered"])
    def test_a_webhook_of_the_new_one_does_not_touch_the_old_one(self, status):
        old, new = self.pair()
        webhook(new.tracking_number, status)
        webhook(new.tracking_number, "delivered", event_id="evt_2")
        assert now(new).status == "delivered"
        assert (len(now(old).scans), now(old).delivered_at) == (1, old.delivered_at)
