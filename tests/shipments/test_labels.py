"""Buying labels, whatever the carrier answers."""

import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from shipments import tasks
from shipments.carriers import CarrierTimeout, PurchasedLabel, Quote
from shipments.exceptions import CarrierRefused
from shipments.services import label_purchase, labels
from tests.facts import data
from tests.shipments.factories import ShipmentFactory, create, label
from tests.shipments.recorder import failing, later, now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def test_the_sandbox_sells_a_label(media):
    shipment = label(ShipmentFactory())
    assert (shipment.status, shipment.label.status) == ("label_created", "bought")
    told = data(shipment.order, "shipment.label_created")
    assert told["tracking_number"] == shipment.tracking_number
    assert told["carrier_cost"] == "9.50", "a base of 6.50, and 1.20 for each of 2.5 kg"
    assert told["label_url"].startswith("http://localhost:8000/api/v1/labels/")
    (stored,) = media.rglob("*.pdf")
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == shipment.label.sha256
    assert shipment.estimated_delivery == (timezone.now() + timedelta(days=3)).date()


def test_the_reference_is_kept_before_anything_is_paid_for(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [Quote(reference="quote_1"), CarrierTimeout("Away.")]
    waiting = label(shipment)
    assert (waiting.status, waiting.label.status) == ("created", "wanted")
    assert (waiting.label.reference, waiting.label.last_error) == ("quote_1", "Away.")
    assert failing() == [shipment.id]
    assert label_purchase.call_due_carriers(now=timezone.now()) == 0, "not at once again"
    assert label_purchase.call_due_carriers(now=later()) == 1
    assert now(shipment).label.reference == "quote_1"
    assert len({asked[1] for asked in carrier.asked}) == 1, "the key of idempotency stays"
    assert failing() == []


def test_a_lost_answer_is_asked_for_until_it_comes():
    shipment = label(create(service="Timeout"))
    assert shipment.label.last_error == "The sandbox did not answer in time."
    tasks.call_carriers(now=later().isoformat())
    assert now(shipment).status == "label_created"


def test_what_nobody_has_called_for_the_timer_does():
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    assert label_purchase.call_due_carriers(now=timezone.now()) == 0, "whoever wants it asks first"
    assert label_purchase.call_due_carriers(now=later(1)) == 1
    assert now(shipment).status == "label_created"


def test_a_refusal_is_shown_and_another_may_be_asked_for(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [CarrierRefused("The address is unknown.")]
    refused = label(shipment)
    assert (refused.status, refused.label.status) == ("created", "refused")
    assert data(refused.order, "shipment.label_refused")["error"] == "The address is unknown."
    assert "label" in refused.allowed_actions()
    assert failing() == [shipment.id]
    again = label(shipment)
    assert again.status == "label_created"
    assert [each.status for each in again.labels] == ["refused", "bought"]
    assert failing() == []


def test_the_sandbox_sells_nothing_where_it_is_off(settings):
    settings.CARRIER_SANDBOX = False
    shipment = label(create(carrier="sandbox"))
    assert "CARRIER_SANDBOX=true" in shipment.label.last_error


def test_a_storage_that_is_away_gets_the_same_label_later(media):
    media.write_text("no directory")
    shipment = label(ShipmentFactory())
    assert "could not be stored" in shipment.label.last_error
    media.unlink()
    label_purchase.call_due_carriers(now=later())
    assert now(shipment).status == "label_created"


def test_the_carriers_currency_is_the_costs(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [
        PurchasedLabel(
            tracking_number="T1",
            carrier_cost=Decimal("1300"),
            currency="JPY",
            url="https://x.test/l",
        )
    ]
    made = label(shipment)
    assert data(made.order, "shipment.label_created") == {
        "shipment_id": shipment.id,
        "tracking_number": "T1",
        "label_url": "https://x.test/l",
        "carrier_cost": 1300,
    }
    assert made.carrier_currency == "JPY"


def test_an_account_that_does_not_answer_is_not_asked_for_every_label(carrier):
    for _ in range(3):
        labels.label_shipment(shipment_id=ShipmentFactory().id)
    carrier.instead = [CarrierTimeout("Away.") for _ in range(3)]
    assert label_purchase.call_due_carriers(now=later()) == 1
    assert len(carrier.asked) == 1


def test_one_that_fails_does_not_keep_the_others_waiting(carrier, caplog):
    first, second = ShipmentFactory(), ShipmentFactory()
    for shipment in (first, second):
        labels.label_shipment(shipment_id=shipment.id)
    carrier.instead = [ValueError("a bug")]
    assert label_purchase.call_due_carriers(now=later()) == 2
    assert now(second).status == "label_created"
    assert failing() == [first.id], "and operators see it"
    assert "a bug" in now(first).label.last_error
    assert label_purchase.call_due_carriers(now=timezone.now()) == 0, "not at once again"


def test_an_operator_need_not_wait_for_the_timer(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [CarrierTimeout("Away.")]
    label(shipment)
    labels.retry_calls(shipment_id=shipment.id)
    label_purchase.call_carrier(shipment_id=shipment.id)
    assert now(shipment).status == "label_created"
