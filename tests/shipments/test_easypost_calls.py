"""Labels of EasyPost, with callers that are slow, concurrent or killed."""

import pytest
from django.utils import timezone

from shipments.models import CarrierAccount
from shipments.services import creation, label_purchase, labels
from tests.factories import ADDRESS
from tests.shipments.easypost_requests import peer_of
from tests.shipments.factories import ShipmentFactory, label
from tests.shipments.recorder import later, now, with_label_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def peer(settings):
    with peer_of(settings) as peer:
        yield peer


@pytest.fixture
def shipment(peer):
    """Return a shipment whose label is requested from EasyPost."""
    CarrierAccount.objects.create(organization_id="org_1", carrier="FedEx", adapter="easypost")
    made = ShipmentFactory(shipping_address=ADDRESS | {"postal_code": "38103"})
    return labels.label_shipment(shipment_id=made.id)


def lease(shipment):
    return label_purchase.lease_due_call(shipment_id=shipment.id, now=timezone.now()).call


def record(shipment, call, result):
    label_purchase._record(shipment.id, call, result, "", "")


def paid(peer):
    return [
        name
        for name, it in peer.shipments.items()
        if it["postage_label"] and not it["refund_status"]
    ]


def test_a_retry_during_a_call_does_not_buy_a_second_label(peer, shipment):
    slow = lease(shipment)
    result = slow.make()
    labels.retry_calls(shipment_id=shipment.id)
    assert lease(shipment) is None, "the label is leased"
    record(shipment, slow, result)
    buying = lease(shipment)
    labels.retry_calls(shipment_id=shipment.id)
    assert lease(shipment) is None
    record(shipment, buying, buying.make())
    assert paid(peer) == [now(shipment).label.reference] == ["shp_1"]


def test_a_late_quote_does_not_replace_the_reference_of_the_purchase(peer, shipment):
    slow = lease(shipment)
    quote = slow.make()
    label_purchase.call_due_carriers(now=later())
    assert now(shipment).label.status == "bought"
    record(shipment, slow, quote)
    assert now(shipment).label.reference == "shp_2"
    creation.cancel_shipment(shipment_id=shipment.id)
    label_purchase.call_due_carriers(now=later())
    assert (paid(peer), now(shipment).label.status) == ([], "voided")


def test_the_first_quote_is_kept_during_a_purchase(peer, shipment):
    slow = lease(shipment)
    quote = slow.make()
    other = label_purchase.lease_due_call(shipment_id=shipment.id, now=later()).call
    record(shipment, other, other.make())
    buying = label_purchase.lease_due_call(shipment_id=shipment.id, now=later()).call
    record(shipment, slow, quote)
    assert label_purchase.lease_due_call(shipment_id=shipment.id, now=later()).call is None, (
        "the slow caller does not end the lease of the other"
    )
    record(shipment, buying, buying.make())
    assert paid(peer) == [now(shipment).label.reference] == ["shp_2"]


def test_a_label_sold_after_the_cancellation_is_voided(peer, shipment):
    peer.faults.extend([None, None, 504])  # the purchase times out, but EasyPost continues it
    assert label_purchase.call_carrier(shipment_id=shipment.id) == "no_response"
    creation.cancel_shipment(shipment_id=shipment.id)
    label_purchase.call_due_carriers(now=later(1))
    assert now(shipment).label.status == "void_wanted"
    assert with_label_problem() == [shipment.id]
    peer.buy("shp_1")
    label_purchase.call_due_carriers(now=later(60))
    assert (paid(peer), now(shipment).label.status) == ([], "voided")


def test_a_void_waits_for_the_lease_of_a_killed_buyer(peer, shipment):
    quoting = lease(shipment)
    record(shipment, quoting, quoting.make())
    buying = lease(shipment)
    creation.cancel_shipment(shipment_id=shipment.id)
    labels.retry_calls(shipment_id=shipment.id)
    assert lease(shipment) is None, "the buyer may still be calling"
    buying.make()
    label_purchase.call_due_carriers(now=later())
    assert (paid(peer), now(shipment).label.status) == ([], "voided")


@pytest.mark.parametrize("status", [403, 404])
def test_a_refused_lookup_does_not_buy_a_second_label(peer, shipment, status):
    peer.faults.extend([None, None, "lost"])
    assert label_purchase.call_carrier(shipment_id=shipment.id) == "no_response"
    peer.faults.append(status)
    label_purchase.call_due_carriers(now=later())
    assert now(shipment).label.status == "wanted"
    labels.retry_calls(shipment_id=shipment.id)
    assert label(shipment).status == "label_created"
    assert (peer.purchases, paid(peer)) == (1, ["shp_1"])
