"""What shipments do about others' facts, and others about theirs."""

import pytest

from orders.models import Order
from shipments import selectors
from shipments.models import Shipment
from shipments.services import lifecycle
from tests.facts import data, told
from tests.fulfillment.factories import fulfillments, order_in, reach
from tests.shipments import factories
from tests.shipments.factories import ShipmentFactory, create, dispatch, label, packed
from tests.shipments.test_services import SHIPPING

pytestmark = pytest.mark.django_db


def test_what_is_packed_becomes_a_shipment_if_the_order_says_how(settle):
    fulfillment = packed(shipping=SHIPPING)
    settle()
    (shipment,) = selectors.active(fulfillment.order_id)
    assert (shipment.status, shipment.carrier) == ("created", "DHL")
    assert shipment.fulfillment_id == fulfillment.id


def test_otherwise_somebody_has_to_say_how(settle):
    fulfillment = packed()
    settle()
    assert not selectors.active(fulfillment.order_id).exists()


def test_an_operator_may_have_been_faster(settle):
    fulfillment = packed(2, shipping=SHIPPING)
    create(fulfillment)
    settle()
    assert selectors.active(fulfillment.order_id).count() == 1


def test_the_order_may_have_been_cancelled_meanwhile(settle):
    fulfillment = packed(shipping=SHIPPING)
    factories.orders.cancel_order(order_id=fulfillment.order_id, reason="fraud")
    settle()
    assert not Shipment.objects.exists()


@pytest.mark.parametrize("status", ["created", "label_created"])
def test_a_cancelled_order_cancels_what_has_not_left(status, settle):
    shipment = ShipmentFactory(status=status)
    factories.cancel_order(shipment)
    settle()
    shipment = selectors.get(shipment.id)
    assert shipment.status == "cancelled"
    assert data(shipment.order, "shipment.cancelled")["reason"] == "order_cancelled"


def test_the_order_hears_of_every_shipment_that_leaves_and_arrives(settle):
    order = order_in({"wh_1": 2, "wh_2": 1})
    first, second = (create(reach(each, "packed")) for each in fulfillments(order))
    for shipment in (first, second):
        dispatch(label(shipment))
    settle()
    order = Order.objects.get(pk=order.pk)
    assert order.status == "shipped"
    assert told(order).count("order.shipped") == 2
    for shipment in (first, second):
        lifecycle.deliver_shipment(shipment_id=shipment.id, signature=f"S {shipment.id}")
    settle()
    order.refresh_from_db()
    assert (order.status, order.delivery_signature) == ("delivered", f"S {second.id}")


@pytest.mark.parametrize("end", ["lost", "returned_to_sender"])
def test_what_does_not_arrive_is_sent_again(end, settle):
    shipment = ShipmentFactory(status=end)
    settle()
    again = fulfillments(shipment.order)[-1]
    assert again.status == "open"
    parcel = dispatch(label(create(reach(again, "packed"))))
    settle()
    lifecycle.deliver_shipment(shipment_id=parcel.id)
    settle()
    assert Order.objects.get(pk=shipment.order_id).status == "delivered"
