"""Labels that are not needed are voided."""

from decimal import Decimal

import pytest

from shipments.carriers import CarrierTimeout, PurchasedLabel, Quote
from shipments.exceptions import CarrierRefused
from shipments.services import creation, label_purchase, labels
from tests.log import event_names
from tests.shipments.factories import ShipmentFactory, label
from tests.shipments.recorder import later, now, with_label_problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def test_a_label_bought_while_its_shipment_is_cancelled_is_voided(carrier):
    shipment = ShipmentFactory()

    def cancelled_meanwhile():
        creation.cancel_shipment(shipment_id=shipment.id)
        return PurchasedLabel(
            tracking_number="T1", carrier_cost=Decimal(1), currency="USD", url="https://x.test"
        )

    carrier.responses = [cancelled_meanwhile]
    assert label(shipment).status == "cancelled"
    assert carrier.calls[-1][::2] == ("void_label", "T1")
    assert now(shipment).label.status == "voided"
    assert "shipment.label_created" not in event_names(shipment.order)


def test_the_label_of_a_cancelled_shipment_is_voided(carrier):
    shipment = ShipmentFactory(status="label_created")
    creation.cancel_shipment(shipment_id=shipment.id)
    carrier.responses = [CarrierTimeout("Away.")]
    label_purchase.call_due_carriers(now=later(1))
    assert (now(shipment).label.status, with_label_problem()) == ("void_wanted", [shipment.id])
    label_purchase.call_due_carriers(now=later())
    assert now(shipment).label.status == "voided"
    assert carrier.calls[-1][::2] == ("void_label", shipment.tracking_number)
    assert label_purchase.call_due_carriers(now=later(60)) == 0


def test_a_refused_void_can_be_retried(carrier):
    shipment = ShipmentFactory(status="label_created")
    creation.cancel_shipment(shipment_id=shipment.id)
    carrier.responses = [CarrierRefused("It has been used.")]
    label_purchase.call_due_carriers(now=later(1))
    voided = now(shipment).label
    assert (voided.status, voided.last_error) == ("void_refused", "It has been used.")
    assert with_label_problem() == [shipment.id], "it needs attention"
    labels.retry_calls(shipment_id=shipment.id)
    label_purchase.call_carrier(shipment_id=shipment.id)
    assert (now(shipment).label.status, with_label_problem()) == ("voided", [])


def test_a_label_that_was_never_requested_from_the_carrier_needs_no_void(carrier):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    creation.cancel_shipment(shipment_id=shipment.id)
    assert now(shipment).label.status == "voided"
    assert label_purchase.call_due_carriers(now=later()) == 0
    assert carrier.calls == []


def test_a_label_that_may_have_been_sold_is_voided_by_its_reference(carrier):
    shipment = ShipmentFactory()
    carrier.responses = [Quote(reference="quote_1"), CarrierTimeout("Away.")]
    label(shipment)
    creation.cancel_shipment(shipment_id=shipment.id)
    label_purchase.call_due_carriers(now=later())
    assert (carrier.calls[-1][::2], now(shipment).label.status) == (("void_label", None), "voided")
