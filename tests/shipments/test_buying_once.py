"""A label is bought once, however often it is asked for, and whatever happens to who asks."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.utils import timezone

from shipments.carriers import CarrierTimeout, PurchasedLabel, Quote
from shipments.carriers.registry import CARRIERS
from shipments.models import Label
from shipments.services import creation, label_purchase, labels
from tests.facts import data, told
from tests.parallel import at_once, killed
from tests.shipments.factories import ShipmentFactory, cancel_order, create, label, packed
from tests.shipments.recorder import failing, later, now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def test_asking_twice_buys_once(carrier):
    shipment = label(label(ShipmentFactory()))
    assert told(shipment.order).count("shipment.label_created") == 1
    assert told(shipment.order).count("shipment.label_requested") == 1
    assert len(shipment.labels) == 1


@pytest.mark.parametrize("late", ["sold", "quoted", "refused"])
def test_who_answers_after_somebody_else_changes_nothing(carrier, late):
    """A caller that everybody thought was killed comes back."""
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    call = label_purchase._lease(shipment.id, timezone.now())
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
    assert told(bought.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["buy_label", "_record"])
def test_a_purchase_is_carried_on_where_its_caller_died(where):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    place = (CARRIERS["sandbox"], "buy_label") if where == "buy_label" else (label_purchase, where)
    killed(lambda: label_purchase.call_carrier(shipment_id=shipment.id), *place)
    assert now(shipment).label.status == "wanted"
    assert label_purchase.call_due_carriers(now=timezone.now()) == 0, "somebody may still be at it"
    assert label_purchase.call_due_carriers(now=later()) == 1
    assert told(shipment.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_once_buy_one_label():
    shipment = ShipmentFactory()

    def ask(n):
        return label(shipment).id

    assert at_once(4, ask) == [shipment.id] * 4
    assert now(shipment).status == "label_created"
    assert Label.objects.count() == 1
    assert told(shipment.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_ship_the_same_units_at_once_make_one_shipment():
    fulfillment = packed()
    answers = at_once(4, lambda n: create(fulfillment).id)
    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert {getattr(answer, "code", None) for answer in answers} == {None, "nothing_to_ship"}


def sale(number, **given):
    given = {"carrier_cost": Decimal(1), "currency": "USD", "url": "https://x.test/l", **given}
    return PurchasedLabel(tracking_number=number, **given)


@pytest.mark.parametrize("names", [("a", "b"), (None, None)], ids=["named", "unnamed"])
def test_a_label_that_was_sold_twice_goes_back_once(carrier, names):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    slow = label_purchase._lease(shipment.id, timezone.now())
    carrier.instead = [sale("T1", reference=names[0])]
    label_purchase.call_due_carriers(now=later())
    for _ in range(2):
        label_purchase._record(shipment.id, slow, sale("T2", reference=names[1]), "", "")
        label_purchase.call_carrier(shipment_id=shipment.id)
    kept = now(shipment)
    assert (kept.tracking_number, kept.label.status) == ("T1", "bought")
    sold = [(each.tracking_number, each.reference, each.status) for each in kept.labels]
    assert sold == [("T1", names[0], "bought"), ("T2", names[1], "voided")]
    assert told(shipment.order).count("shipment.label_created") == 1


def test_a_number_that_another_parcel_has_goes_back(carrier):
    first, second = ShipmentFactory(), ShipmentFactory()
    carrier.instead = [sale("T1")]
    label(first)
    carrier.instead = [sale("T1"), CarrierTimeout("Away.")]
    refused = label(second)
    assert (refused.status, refused.tracking_number) == ("created", None)
    assert "another shipment under way, T1" in data(second.order, "shipment.label_refused")["error"]
    assert failing() == [second.id]
    label_purchase.call_due_carriers(now=later())
    assert carrier.asked[-1] == ("void_label", refused.label.id, "T1")
    assert (now(second).label.status, failing()) == ("voided", [second.id]), "it is waited for"
    assert label(second).status == "label_created"
    assert failing() == []


def test_a_refusal_counts_for_nothing_while_somebody_else_asks(carrier):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    slow = label_purchase._lease(shipment.id, timezone.now())
    label_purchase._lease(shipment.id, later())
    label_purchase._record_refusal(shipment.id, slow, "No.")
    assert now(shipment).label.status == "wanted"


def test_nothing_is_bought_for_a_cancelled_order(carrier):
    shipment = ShipmentFactory()
    labels.label_shipment(shipment_id=shipment.id)
    cancel_order(shipment)
    label_purchase.call_due_carriers(now=later())
    assert (carrier.asked, now(shipment).label.status) == ([], "voided")


def test_what_was_bought_while_the_order_was_cancelled_goes_back(carrier):
    shipment = ShipmentFactory()

    def cancelled_meanwhile():
        cancel_order(shipment)
        return sale("T1")

    carrier.instead = [cancelled_meanwhile]
    assert label(shipment).status == "created"
    assert carrier.asked[-1][::2] == ("void_label", "T1")
    creation.cancel_open_shipments(order_id=shipment.order_id)
    assert (now(shipment).status, now(shipment).label.status) == ("cancelled", "voided")
    assert "shipment.label_created" not in told(shipment.order)
