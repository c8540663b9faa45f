"""Whole lives of EasyPost's labels, with callers that are slow, impatient or killed."""

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
def wanted(peer):
    """A shipment whose label EasyPost is to sell."""
    CarrierAccount.objects.create(organization_id="org_1", carrier="FedEx", adapter="easypost")
    shipment = ShipmentFactory(shipping_address=ADDRESS | {"postal_code": "38103"})
    return labels.label_shipment(shipment_id=shipment.id)


def claim(shipment):
    return label_purchase._lease(shipment.id, timezone.now())


def record(shipment, call, answer):
    label_purchase._record(shipment.id, call, answer, "", "")


def paid(peer):
    shipments = peer.shipments.items()
    return [name for name, it in shipments if it["postage_label"] and not it["refund_status"]]


def test_who_is_impatient_does_not_buy_a_second_label(peer, wanted):
    slow = claim(wanted)
    answer = slow.make()
    labels.retry_calls(shipment_id=wanted.id)
    assert claim(wanted) is None, "it is being asked already"
    record(wanted, slow, answer)
    buying = claim(wanted)
    labels.retry_calls(shipment_id=wanted.id)
    assert claim(wanted) is None
    record(wanted, buying, buying.make())
    assert paid(peer) == [now(wanted).label.reference] == ["shp_1"]


def test_a_quote_that_comes_late_does_not_hide_the_label_that_was_bought(peer, wanted):
    slow = claim(wanted)
    quote = slow.make()
    label_purchase.call_due_carriers(now=later())
    assert now(wanted).label.status == "bought"
    record(wanted, slow, quote)
    assert now(wanted).label.reference == "shp_2"
    creation.cancel_shipment(shipment_id=wanted.id)
    label_purchase.call_due_carriers(now=later())
    assert (paid(peer), now(wanted).label.status) == ([], "voided")


def test_the_first_quote_holds_while_somebody_buys_under_it(peer, wanted):
    slow = claim(wanted)
    quote = slow.make()
    other = label_purchase._lease(wanted.id, later())
    record(wanted, other, other.make())
    buying = label_purchase._lease(wanted.id, later())
    record(wanted, slow, quote)
    assert label_purchase._lease(wanted.id, later()) is None, (
        "the slow one leaves the other its claim"
    )
    record(wanted, buying, buying.make())
    assert paid(peer) == [now(wanted).label.reference] == ["shp_2"]


def test_a_label_sold_after_it_was_cancelled_is_given_back(peer, wanted):
    peer.faults.extend([None, None, 504])  # quoted, looked at, and still being bought over there
    assert label_purchase.call_carrier(shipment_id=wanted.id) == "no_response"
    creation.cancel_shipment(shipment_id=wanted.id)
    label_purchase.call_due_carriers(now=later(1))
    assert now(wanted).label.status == "void_wanted"
    assert with_label_problem() == [wanted.id]
    peer.buy("shp_1")
    label_purchase.call_due_carriers(now=later(60))
    assert (paid(peer), now(wanted).label.status) == ([], "voided")


def test_a_buyer_who_was_killed_is_followed_by_the_void(peer, wanted):
    quoting = claim(wanted)
    record(wanted, quoting, quoting.make())
    buying = claim(wanted)
    creation.cancel_shipment(shipment_id=wanted.id)
    labels.retry_calls(shipment_id=wanted.id)
    assert claim(wanted) is None, "somebody may be buying it at this moment"
    buying.make()
    label_purchase.call_due_carriers(now=later())
    assert (paid(peer), now(wanted).label.status) == ([], "voided")


@pytest.mark.parametrize("status", [403, 404])
def test_who_is_not_let_look_buys_no_second_label(peer, wanted, status):
    peer.faults.extend([None, None, "lost"])
    assert label_purchase.call_carrier(shipment_id=wanted.id) == "no_response"
    peer.faults.append(status)
    label_purchase.call_due_carriers(now=later())
    assert now(wanted).label.status == "wanted"
    labels.retry_calls(shipment_id=wanted.id)
    assert label(wanted).status == "label_created"
    assert (peer.purchases, paid(peer)) == (1, ["shp_1"])
