"""Tracking by calls to carriers and by their webhooks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.models import Order
from shipments import selectors, tasks
from shipments.carriers import CarrierTimeout, PurchasedLabel, Scan, TrackingUpdate
from shipments.carriers.registry import CARRIERS
from shipments.models import CarrierWebhook
from shipments.services import labels, tracking, webhooks
from tests.log import event_data, event_names, latest_number
from tests.parallel import at_once
from tests.shipments.factories import (
    BY_HAND,
    ShipmentFactory,
    create,
    dispatch,
    label,
    packed,
    scan,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def now(shipment):
    return selectors.get(shipment.id)


def in_days(count):
    return timezone.now() + timedelta(days=count, minutes=1)


def poll(days):
    return tasks.poll_carriers(now=in_days(days).isoformat())


def sent(service="Ground"):
    return dispatch(label(create(packed(), service=service)))


class TestPolling:
    def test_the_sandbox_delivers_on_the_third_day(self, run_reactions):
        shipment = sent()
        states = []
        for day in (0, 1, 1, 2, 3, 4):
            poll(day + 0.1)
            states.append((now(shipment).status, len(now(shipment).scans)))
        moving = "in_transit"
        arrived = ("delivered", 3)
        assert states == [("dispatched", 0), (moving, 1), (moving, 1), (moving, 2), *[arrived] * 2]
        assert event_data(shipment.order, "shipment.delivered")["recipient"] == "Juan Pérez"
        assert event_names(shipment.order).count("shipment.in_transit") == 2
        run_reactions()
        assert Order.objects.get(pk=shipment.order_id).status == "delivered"

    @pytest.mark.parametrize(
        ("service", "end"), [("Lost", "lost"), ("Return", "returned_to_sender")]
    )
    def test_the_sandbox_loses_or_returns_shipments_of_some_services(self, service, end):
        shipment = sent(service)
        poll(2.5)
        assert now(shipment).status == "exception"
        poll(4)
        assert (now(shipment).status, now(shipment).due_at) == (end, None)

    def test_the_carrier_is_called_every_half_hour_until_the_end(self):
        shipment = sent()
        assert poll(0) == 0, "it was just dispatched"
        assert poll(0.1) == 1
        assert poll(0.1) == 0
        assert poll(9) == 1
        assert now(shipment).status == "delivered"
        assert poll(99) == 0

    def test_manual_shipments_are_not_tracked(self):
        ShipmentFactory(status="dispatched", by=BY_HAND)
        assert poll(99) == 0

    def test_the_pause_doubles_while_the_carrier_does_not_answer(self, monkeypatch):
        class Silent:
            calls = 0

            def track(self, request, *, now):
                self.calls += 1
                raise CarrierTimeout("Away.")

        silent = Silent()
        shipment = sent()
        sent()
        monkeypatch.setitem(CARRIERS, "sandbox", silent)
        waits = []
        at = timezone.now() + timedelta(hours=1)
        for _ in range(3):
            tracking.track_shipment(shipment_id=shipment.id, now=at)
            due = now(shipment).due_at
            waits.append(due - at)
            at = due
        assert waits == [timedelta(minutes=minutes) for minutes in (1, 2, 4)]
        assert now(shipment).last_error == "Away."
        silent.calls = 0
        tracking.poll_due_carriers(now=at)
        assert silent.calls == 1, "the account is skipped for the other shipments"

    def test_a_bug_is_recorded_and_does_not_delay_other_shipments(self, monkeypatch):
        broken, other = sent("Broken"), sent()

        class Broken:
            def track(self, request, *, now):
                if request.shipment_id == broken.id:
                    raise KeyError("datetime")
                return sandbox.track(request, now=now)

        sandbox = CARRIERS["sandbox"]
        monkeypatch.setitem(CARRIERS, "sandbox", Broken())
        poll(5)
        assert (now(broken).last_error, now(broken).calls) == ("KeyError('datetime')", 1)
        assert now(other).status == "delivered"

    def test_an_operator_can_retry_before_the_timer(
        self, enqueued, django_capture_on_commit_callbacks
    ):
        shipment = sent()
        with django_capture_on_commit_callbacks(execute=True):
            labels.retry_calls(shipment_id=shipment.id)
        assert ("shipments.tasks.track_shipment", (shipment.id, "org_1")) in enqueued
        before = now(shipment).due_at
        tasks.track_shipment(shipment.id, "org_1")
        assert now(shipment).due_at > before + timedelta(minutes=25)

    @pytest.mark.django_db(transaction=True)
    def test_concurrent_tracking_calls_have_one_effect(self):
        shipment = sent()

        def poll_all(n):
            return tracking.poll_due_carriers(now=in_days(5))

        at_once(3, poll_all)
        assert now(shipment).status == "delivered"
        assert event_names(shipment.order).count("shipment.in_transit") == 2
        assert event_names(shipment.order).count("shipment.delivered") == 1


def tracking_update(shipment, status="in_transit", event_id="evt_1", **given):
    scan = Scan(scan_id=None, status=status, occurred_at=timezone.now(), location="Memphis, TN")
    about = {"tracking_number": shipment.tracking_number, "scans": (scan,), **given}
    return TrackingUpdate(event_id=event_id, **{"reference": None, "carrier": "FedEx", **about})


def dispatched_as(shipment, number, reference):
    """Label and dispatch the shipment with this tracking number and reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CARRIERS, "sandbox", FixedCarrier(number, reference))
        return dispatch(label(shipment))


class FixedCarrier:
    """Sells labels with one tracking number and reference."""

    def __init__(self, number, reference):
        self.number, self.reference = number, reference

    def buy_label(self, request):
        return PurchasedLabel(
            tracking_number=self.number,
            carrier_cost=Decimal(1),
            currency="USD",
            reference=self.reference,
            url="https://x.test/l",
        )


class TestReusedTrackingNumbers:
    def test_the_reference_identifies_the_shipment(self):
        mine, yours = (
            dispatched_as(ShipmentFactory(organization_id=org), "9400", f"shp_{org}")
            for org in ("org_1", "org_2")
        )
        webhooks.receive_webhook(
            adapter="sandbox", update=tracking_update(mine, reference="shp_org_1")
        )
        assert (now(mine).status, now(yours).status) == ("in_transit", "dispatched")

    def test_a_webhook_with_an_unknown_reference_is_retried(self):
        shipment = ShipmentFactory(status="dispatched")
        webhooks.receive_webhook(
            adapter="sandbox", update=tracking_update(shipment, reference="shp_other")
        )
        assert now(shipment).status == "dispatched"
        assert CarrierWebhook.objects.get().due_at

    def test_without_a_reference_two_organizations_are_ambiguous(self):
        both = [
            dispatched_as(ShipmentFactory(organization_id=org), "9400", None)
            for org in ("org_1", "org_2")
        ]
        webhooks.receive_webhook(adapter="sandbox", update=tracking_update(both[0]))
        assert [now(each).status for each in both] == ["dispatched"] * 2
        assert CarrierWebhook.objects.get().due_at

    def test_without_a_reference_the_shipment_under_way_matches(self):
        under_way = dispatched_as(create(), "9400", None)
        other = dispatched_as(create(carrier="UPS", service="Ground"), "9400", None)
        arrived = ShipmentFactory(organization_id="org_2")
        scan(dispatched_as(arrived, "9400", None), "delivered")
        update = tracking_update(under_way, carrier="FedExDefault")
        webhooks.receive_webhook(adapter="sandbox", update=update)
        assert (now(under_way).status, now(other).status) == ("in_transit", "dispatched")


class TestWebhooks:
    def test_a_repeated_webhook_has_one_effect(self):
        shipment, before = ShipmentFactory(status="dispatched"), latest_number()
        update = tracking_update(shipment)
        for n in range(10):
            webhooks.receive_webhook(adapter="sandbox", update=update)
            other = tracking_update(shipment, event_id=f"evt_{n}", scans=update.scans)
            webhooks.receive_webhook(adapter="sandbox", update=other)
        assert event_names(shipment.order, after=before) == ["shipment.in_transit"]

    def test_a_webhook_about_an_unknown_shipment_is_retried(self):
        shipment = ShipmentFactory()
        update = tracking_update(shipment, tracking_number="later")
        webhooks.receive_webhook(adapter="sandbox", update=update)
        webhook = CarrierWebhook.objects.get()
        assert (webhook.applied_at, webhook.attempts) == (None, 1)
        made = dispatch(label(shipment))
        changed = webhook.payload.replace("later", made.tracking_number)
        CarrierWebhook.objects.update(payload=changed)
        assert webhooks.process_pending_webhooks(now=timezone.now()) == 0, "not due yet"
        assert webhooks.process_pending_webhooks(now=timezone.now() + timedelta(minutes=2)) == 1
        assert now(shipment).status == "in_transit"
        webhook.refresh_from_db()
        assert webhook.applied_at

    def test_an_unmatched_webhook_expires_after_three_days_and_is_deleted_later(self):
        webhooks.receive_webhook(
            adapter="sandbox", update=tracking_update(ShipmentFactory(), tracking_number="no")
        )
        tasks.process_pending_webhooks(now=in_days(4).isoformat())
        webhook = CarrierWebhook.objects.get()
        assert (webhook.applied_at, webhook.due_at) == (None, None)
        tasks.process_pending_webhooks(now=in_days(31).isoformat())
        assert not CarrierWebhook.objects.exists()

    def test_a_tracking_number_of_another_adapter_does_not_match(self):
        shipment = ShipmentFactory(status="dispatched", by=BY_HAND)
        webhooks.receive_webhook(adapter="sandbox", update=tracking_update(shipment))
        assert now(shipment).status == "dispatched"

    @pytest.mark.parametrize("year", [None, 1970, 2999])
    def test_a_delivery_scan_dispatches_the_shipment_first(self, year):
        shipment = ShipmentFactory(status="label_created")
        at = timezone.now() if year is None else datetime(year, 1, 1, tzinfo=UTC)
        scans = (Scan(scan_id=None, status="delivered", occurred_at=at),)
        webhooks.receive_webhook(adapter="sandbox", update=tracking_update(shipment, scans=scans))
        assert event_names(shipment.order)[-4:] == [
            "shipment.dispatched",
            "order.shipped",
            "shipment.delivered",
            "order.delivered",
        ]
        arrived = now(shipment)
        moments = (arrived.created_at, arrived.dispatched_at, arrived.delivered_at, timezone.now())
        assert moments == tuple(sorted(moments)), "even if the carrier's clock is wrong"

    @pytest.mark.parametrize("status", ["in_transit", "exception", "lost", "delivered"])
    def test_a_scan_before_the_dispatch_is_kept_and_moves_nothing(self, status):
        """Carriers reuse their numbers: it may be about an earlier parcel."""
        shipment, before = ShipmentFactory(status="dispatched"), latest_number()
        yesterday = timezone.now() - timedelta(days=1)
        scans = (Scan(scan_id=None, status=status, occurred_at=yesterday),)
        webhooks.receive_webhook(adapter="sandbox", update=tracking_update(shipment, scans=scans))
        assert event_names(shipment.order, after=before) == []
        shipment = now(shipment)
        assert (shipment.status, [scan.counts for scan in shipment.scans]) == (
            "dispatched",
            [False],
        )
        minutes_ago = timezone.now() - timedelta(minutes=5)
        scans = (Scan(scan_id=None, status=status, occurred_at=minutes_ago),)
        late = tracking_update(shipment, scans=scans, event_id="evt_2")
        webhooks.receive_webhook(adapter="sandbox", update=late)
        assert now(shipment).status == status, "the clocks may differ by some minutes"

    @pytest.mark.django_db(transaction=True)
    def test_a_concurrent_webhook_and_tracking_call_have_one_effect(self):
        shipment = sent()
        scans = CARRIERS["sandbox"].track(tracking._tracking_request(now(shipment)), now=in_days(5))
        update = tracking_update(shipment, scans=tuple(scans))

        def track(n):
            if n % 2:
                return webhooks.receive_webhook(adapter="sandbox", update=update)
            return tracking.poll_due_carriers(now=in_days(5))

        at_once(4, track)
        assert event_names(shipment.order).count("shipment.in_transit") == 2
        assert event_names(shipment.order).count("shipment.delivered") == 1
