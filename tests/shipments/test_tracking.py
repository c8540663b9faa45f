"""Asking carriers where parcels are, and hearing it of their own accord."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orders.models import Order
from shipments import selectors, services, tasks
from shipments.carriers import NoAnswer, Notice, Scan
from shipments.models import CarrierWebhook
from shipments.services import tracking
from shipments.services.carriers import CARRIERS
from tests.facts import data, mark, told
from tests.parallel import at_once
from tests.shipments.factories import BY_HAND, ShipmentFactory, create, dispatch, label, packed

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
    def test_a_parcel_of_the_sandbox_travels_for_three_days(self, settle):
        shipment = sent()
        states = []
        for day in (0, 1, 1, 2, 3, 4):
            poll(day + 0.1)
            states.append((now(shipment).status, len(now(shipment).sightings)))
        moving = "in_transit"
        arrived = ("delivered", 3)
        assert states == [("dispatched", 0), (moving, 1), (moving, 1), (moving, 2), *[arrived] * 2]
        assert data(shipment.order, "shipment.delivered")["recipient"] == "Juan Pérez"
        assert told(shipment.order).count("shipment.in_transit") == 2
        settle()
        assert Order.objects.get(pk=shipment.order_id).status == "delivered"

    @pytest.mark.parametrize(
        ("service", "end"), [("Lost", "lost"), ("Return", "returned_to_sender")]
    )
    def test_some_do_not_arrive(self, service, end):
        shipment = sent(service)
        poll(2.5)
        assert now(shipment).status == "exception"
        poll(4)
        assert (now(shipment).status, now(shipment).track_at) == (end, None)

    def test_it_is_asked_every_half_hour_and_not_of_what_has_ended(self):
        shipment = sent()
        assert poll(0) == 0, "it has just left"
        assert poll(0.1) == 1
        assert poll(0.1) == 0
        assert poll(9) == 1
        assert now(shipment).status == "delivered"
        assert poll(99) == 0

    def test_nobody_is_asked_about_own_vans(self):
        ShipmentFactory(status="dispatched", by=BY_HAND)
        assert poll(99) == 0

    def test_a_carrier_that_does_not_answer_is_asked_later_and_later(self, monkeypatch):
        class Silent:
            asked = 0

            def track(self, tracked, *, now):
                self.asked += 1
                raise NoAnswer("Away.")

        silent = Silent()
        shipment = sent()
        sent()
        monkeypatch.setitem(CARRIERS, "sandbox", silent)
        waits = []
        at = timezone.now() + timedelta(hours=1)
        for _ in range(3):
            services.track_shipment(shipment_id=shipment.id, now=at)
            due = now(shipment).track_at
            waits.append(due - at)
            at = due
        assert waits == [timedelta(minutes=minutes) for minutes in (1, 2, 4)]
        assert now(shipment).track_error == "Away."
        silent.asked = 0
        services.poll_due_carriers(now=at)
        assert silent.asked == 1, "the account is away for the others too"

    @pytest.mark.django_db(transaction=True)
    def test_two_who_poll_at_once_have_one_effect(self):
        shipment = sent()

        def ask(n):
            return services.poll_due_carriers(now=in_days(5))

        at_once(3, ask)
        assert now(shipment).status == "delivered"
        assert told(shipment.order).count("shipment.in_transit") == 2
        assert told(shipment.order).count("shipment.delivered") == 1


def notice(shipment, status="in_transit", event_id="evt_1", **given):
    scan = Scan(scan_id=None, status=status, occurred_at=timezone.now(), location="Memphis, TN")
    about = {"tracking_number": shipment.tracking_number, "scans": (scan,), **given}
    return Notice(event_id=event_id, reference=None, carrier="FedEx", **about)


class TestWebhooks:
    def test_ten_times_have_one_effect(self):
        shipment, before = ShipmentFactory(status="dispatched"), mark()
        message = notice(shipment)
        for n in range(10):
            services.take_webhook(adapter="sandbox", notice=message)
            other = notice(shipment, event_id=f"evt_{n}", scans=message.scans)
            services.take_webhook(adapter="sandbox", notice=other)
        assert told(shipment.order, after=before) == ["shipment.in_transit"]

    def test_one_about_an_unknown_parcel_is_kept_and_tried_again(self):
        shipment = ShipmentFactory()
        message = notice(shipment, tracking_number="later")
        services.take_webhook(adapter="sandbox", notice=message)
        kept = CarrierWebhook.objects.get()
        assert (kept.handled_at, kept.tries) == (None, 1)
        made = dispatch(label(shipment))
        changed = kept.notice.replace("later", made.tracking_number)
        CarrierWebhook.objects.update(notice=changed)
        assert services.handle_kept_webhooks(now=timezone.now()) == 0, "not due yet"
        assert services.handle_kept_webhooks(now=timezone.now() + timedelta(minutes=2)) == 1
        assert now(shipment).status == "in_transit"
        kept.refresh_from_db()
        assert kept.handled_at

    def test_one_that_stays_unknown_is_given_up_after_three_days_and_forgotten(self):
        services.take_webhook(
            adapter="sandbox", notice=notice(ShipmentFactory(), tracking_number="no")
        )
        tasks.handle_kept_webhooks(now=in_days(4).isoformat())
        kept = CarrierWebhook.objects.get()
        assert (kept.handled_at, kept.due_at) == (None, None)
        tasks.handle_kept_webhooks(now=in_days(31).isoformat())
        assert not CarrierWebhook.objects.exists()

    def test_a_number_of_another_adapter_means_nothing(self):
        shipment = ShipmentFactory(status="dispatched", by=BY_HAND)
        services.take_webhook(adapter="sandbox", notice=notice(shipment))
        assert now(shipment).status == "dispatched"

    def test_what_the_carrier_has_seen_has_left(self):
        shipment = ShipmentFactory(status="label_created")
        services.take_webhook(adapter="sandbox", notice=notice(shipment, "delivered"))
        assert told(shipment.order)[-2:] == ["shipment.dispatched", "shipment.delivered"]

    @pytest.mark.django_db(transaction=True)
    def test_webhook_and_polling_at_once_have_one_effect(self):
        shipment = sent()
        scans = CARRIERS["sandbox"].track(tracking._tracked(now(shipment)), now=in_days(5))
        message = notice(shipment, scans=tuple(scans))

        def hear(n):
            if n % 2:
                return services.take_webhook(adapter="sandbox", notice=message)
            return services.poll_due_carriers(now=in_days(5))

        at_once(4, hear)
        assert told(shipment.order).count("shipment.in_transit") == 2
        assert told(shipment.order).count("shipment.delivered") == 1
