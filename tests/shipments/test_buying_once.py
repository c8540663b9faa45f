"""A label is bought once, even if it is requested repeatedly or its caller is killed."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.utils import timezone

from shipments.carriers import CarrierTimeout, PurchasedLabel, Quote
from shipments.carriers.registry import CARRIERS
from shipments.models import Label
from shipments.services import creation, label_purchase, labels
from tests.log import event_data, event_names
from tests.parallel import at_once, killed
from tests.shipments.factories import ShipmentFactory, cancel_order, create, label, packed
from tests.shipments.recorder import later, now, with_label_problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def test_two_requests_buy_one_label(carrier):
    shipment = label(label(ShipmentFactory()))
    assert event_names(shipment.order).count("shipment.label_created") == 1
    assert event_names(shipment.order).count("shipment.label_requested") == 1
    assert len(shipment.labels) == 1


@pytest.mark.parametrize("late", ["sold", "quoted", "refused"])
def test_a_caller_that_lost_its_lease_changes_nothing(carrier, late):
    """The caller is slow: another one bought the label after the lease expired."""
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    call = label_purchase.lease_due_call(shipment_id=shipment.id, now=timezone.now()).call
    label_purchase.call_due_carriers(now=later())
    bought = now(shipment)
    if late == "sold":
        again = carrier.sandbox.buy_label(replace(call.request, reference=bought.label.reference))
        label_purchase._record(shipment.id, call, again, "", "")
    elif late == "quoted":
        label_purchase._record(shipment.id, call, Quote(reference="another"), "", "")
    else:
        label_purchase._record_refusal(shipment.id, call, "No.")
    (after,) = now(shipment).labels
    assert (after.status, after.reference) == ("bought", bought.label.reference)
    assert event_names(bought.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["buy_label", "_record"])
def test_the_timer_completes_the_purchase_of_a_killed_caller(where):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    place = (CARRIERS["sandbox"], "buy_label") if where == "buy_label" else (label_purchase, where)
    killed(lambda: label_purchase.call_carrier(shipment_id=shipment.id), *place)
    assert now(shipment).label.status == "wanted"
    assert label_purchase.call_due_carriers(now=timezone.now()) == 0, "the lease has not expired"
    assert label_purchase.call_due_carriers(now=later()) == 1
    assert event_names(shipment.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_buy_one_label():
    shipment = ShipmentFactory()

    def request(n):
        return label(shipment).id

    assert at_once(4, request) == [shipment.id] * 4
    assert now(shipment).status == "label_created"
    assert Label.objects.count() == 1
    assert event_names(shipment.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_create_one_shipment_of_the_same_units():
    fulfillment = packed()
    results = at_once(4, lambda n: create(fulfillment).id)
    assert sum(isinstance(result, str) for result in results) == 1
    assert {getattr(result, "code", None) for result in results} == {None, "nothing_to_ship"}


def sale(number, **given):
    given = {"carrier_cost": Decimal(1), "currency": "USD", "url": "https://x.test/l", **given}
    return PurchasedLabel(tracking_number=number, **given)


@pytest.mark.parametrize("names", [("a", "b"), (None, None)], ids=["named", "unnamed"])
def test_a_second_purchase_is_voided_once(carrier, names):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    slow = label_purchase.lease_due_call(shipment_id=shipment.id, now=timezone.now()).call
    carrier.responses = [sale("T1", reference=names[0])]
    label_purchase.call_due_carriers(now=later())
    for _ in range(2):
        label_purchase._record(shipment.id, slow, sale("T2", reference=names[1]), "", "")
        label_purchase.call_carrier(shipment_id=shipment.id)
    kept = now(shipment)
    assert (kept.tracking_number, kept.label.status) == ("T1", "bought")
    sold = [(each.tracking_number, each.reference, each.status) for each in kept.labels]
    assert sold == [("T1", names[0], "bought"), ("T2", names[1], "voided")]
    assert event_names(shipment.order).count("shipment.label_created") == 1


def test_a_label_with_the_number_of_another_shipment_is_voided(carrier):
    first, second = ShipmentFactory(), ShipmentFactory()
    carrier.responses = [sale("T1")]
    label(first)
    carrier.responses = [sale("T1"), CarrierTimeout("Away.")]
    refused = label(second)
    assert (refused.status, refused.tracking_number) == ("created", None)
    assert (
        "another shipment under way, T1"
        in event_data(second.order, "shipment.label_refused")["error"]
    )
    assert with_label_problem() == [second.id]
    label_purchase.call_due_carriers(now=later())
    assert carrier.calls[-1] == ("void_label", refused.label.id, "T1")
    assert (now(second).label.status, with_label_problem()) == ("voided", [second.id]), (
        "the shipment still needs a label"
    )
    assert label(second).status == "label_created"
    assert with_label_problem() == []


def test_a_refusal_is_ignored_while_another_caller_has_the_lease(carrier):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    slow = label_purchase.lease_due_call(shipment_id=shipment.id, now=timezone.now()).call
    label_purchase.lease_due_call(shipment_id=shipment.id, now=later())
    label_purchase._record_refusal(shipment.id, slow, "No.")
    assert now(shipment).label.status == "wanted"


def test_no_label_is_bought_for_a_cancelled_order(carrier):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    cancel_order(shipment)
    label_purchase.call_due_carriers(now=later())
    assert (carrier.calls, now(shipment).label.status) == ([], "voided")


def test_a_label_bought_while_its_order_is_cancelled_is_voided(carrier):
    shipment = ShipmentFactory()

    def cancelled_meanwhile():
        cancel_order(shipment)
        return sale("T1")

    carrier.responses = [cancelled_meanwhile]
    assert label(shipment).status == "created"
    assert carrier.calls[-1][::2] == ("void_label", "T1")
    creation.cancel_open_shipments(order_id=shipment.order_id)
    assert (now(shipment).status, now(shipment).label.status) == ("cancelled", "voided")
    assert "shipment.label_created" not in event_names(shipment.order)
