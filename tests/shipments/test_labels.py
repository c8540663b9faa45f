"""Buying labels, for each response of the carrier."""

import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from shipments import tasks
from shipments.carriers import CarrierTimeout, PurchasedLabel, Quote
from shipments.exceptions import CarrierRefused
from shipments.services import label_purchase, labels
from tests.log import event_data
from tests.shipments.factories import ShipmentFactory, create, label
from tests.shipments.recorder import later, now, with_label_problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def test_the_sandbox_sells_a_label(media):
    shipment = label(ShipmentFactory())
    assert (shipment.status, shipment.label.status) == ("label_created", "bought")
    created = event_data(shipment.order, "shipment.label_created")
    assert created["tracking_number"] == shipment.tracking_number
    assert created["carrier_cost"] == "9.50", "a base of 6.50, and 1.20 for each of 2.5 kg"
    assert created["label_url"].startswith("http://localhost:8000/api/v1/labels/")
    (stored,) = media.rglob("*.pdf")
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == shipment.label.sha256
    assert shipment.estimated_delivery == (timezone.now() + timedelta(days=3)).date()


def test_the_reference_is_saved_before_the_label_is_paid_for(carrier):
    shipment = ShipmentFactory()
    carrier.responses = [Quote(reference="quote_1"), CarrierTimeout("Away.")]
    waiting = label(shipment)
    assert (waiting.status, waiting.label.status) == ("created", "wanted")
    assert (waiting.label.reference, waiting.label.last_error) == ("quote_1", "Away.")
    assert with_label_problem() == [shipment.id]
    assert label_purchase.call_due_carriers(now=timezone.now()) == 0, "the retry is not due"
    assert label_purchase.call_due_carriers(now=later()) == 1
    assert now(shipment).label.reference == "quote_1"
    assert len({call[1] for call in carrier.calls}) == 1, "the idempotency key stays the same"
    assert with_label_problem() == []


def test_the_timer_retries_after_a_timeout():
    shipment = label(create(service="Timeout"))
    assert shipment.label.last_error == "The sandbox did not respond in time."
    tasks.call_carriers(now=later().isoformat())
    assert now(shipment).status == "label_created"


def test_the_timer_makes_calls_that_no_task_made():
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    assert label_purchase.call_due_carriers(now=timezone.now()) == 0, (
        "the grace period has not passed"
    )
    assert label_purchase.call_due_carriers(now=later(1)) == 1
    assert now(shipment).status == "label_created"


def test_after_a_refusal_another_label_can_be_requested(carrier):
    shipment = ShipmentFactory()
    carrier.responses = [CarrierRefused("The address is unknown.")]
    refused = label(shipment)
    assert (refused.status, refused.label.status) == ("created", "refused")
    assert event_data(refused.order, "shipment.label_refused")["error"] == "The address is unknown."
    assert "label" in refused.allowed_actions()
    assert with_label_problem() == [shipment.id]
    again = label(shipment)
    assert again.status == "label_created"
    assert [each.status for each in again.labels] == ["refused", "bought"]
    assert with_label_problem() == []


def test_the_disabled_sandbox_sells_no_labels(settings):
    settings.CARRIER_SANDBOX = False
    shipment = label(create(carrier="sandbox"))
    assert "CARRIER_SANDBOX=true" in shipment.label.last_error


def test_a_label_that_could_not_be_stored_is_stored_by_the_retry(media):
    media.write_text("no directory")
    shipment = label(ShipmentFactory())
    assert "could not be stored" in shipment.label.last_error
    media.unlink()
    label_purchase.call_due_carriers(now=later())
    assert now(shipment).status == "label_created"


def test_the_cost_is_in_the_carriers_currency(carrier):
    shipment = ShipmentFactory()
    carrier.responses = [
        PurchasedLabel(
            tracking_number="T1",
            carrier_cost=Decimal("1300"),
            currency="JPY",
            url="https://x.test/l",
        )
    ]
    made = label(shipment)
    assert event_data(made.order, "shipment.label_created") == {
        "shipment_id": shipment.id,
        "tracking_number": "T1",
        "label_url": "https://x.test/l",
        "carrier_cost": 1300,
    }
    assert made.carrier_currency == "JPY"


def test_an_account_that_does_not_answer_is_called_once_a_run(carrier):
    for _ in range(3):
        labels.label_shipment(shipment_id=ShipmentFactory().id)
    carrier.responses = [CarrierTimeout("Away.") for _ in range(3)]
    assert label_purchase.call_due_carriers(now=later()) == 1
    assert len(carrier.calls) == 1


def test_a_failing_call_does_not_delay_the_others(carrier, caplog):
    first, second = ShipmentFactory(), ShipmentFactory()
    for shipment in (first, second):
        labels.label_shipment(shipment_id=shipment.id)
    carrier.responses = [ValueError("a bug")]
    assert label_purchase.call_due_carriers(now=later()) == 2
    assert now(second).status == "label_created"
    assert with_label_problem() == [first.id], "operators see it"
    assert "a bug" in now(first).label.last_error
    assert label_purchase.call_due_carriers(now=timezone.now()) == 0, "the retry is not due"


def test_an_operator_can_retry_before_the_timer(carrier):
    shipment = ShipmentFactory()
    carrier.responses = [CarrierTimeout("Away.")]
    label(shipment)
    labels.retry_calls(shipment_id=shipment.id)
    label_purchase.call_carrier(shipment_id=shipment.id)
    assert now(shipment).status == "label_created"
