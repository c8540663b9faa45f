"""Reactions of shipments to other contexts, and of other contexts to shipments."""

import pytest

from orders.models import Order
from orders.services import lifecycle as order_lifecycle
from shipments import selectors
from shipments.models import Shipment
from shipments.services import lifecycle
from tests.fulfillment.factories import fulfillments, order_in, reach
from tests.log import event_data, event_names
from tests.reacting import as_rows
from tests.shipments import factories
from tests.shipments.factories import ShipmentFactory, create, dispatch, label, packed
from tests.shipments.test_services import SHIPPING

pytestmark = pytest.mark.django_db


def test_packed_units_become_a_shipment_if_the_order_has_a_carrier(run_reactions):
    fulfillment = packed(shipping=SHIPPING)
    run_reactions()
    shipment = Shipment.objects.get(order=fulfillment.order_id)
    assert (shipment.status, shipment.carrier) == ("created", "DHL")
    assert shipment.fulfillment_id == fulfillment.id


def test_without_a_carrier_in_the_order_no_shipment_is_created(run_reactions):
    fulfillment = packed()
    run_reactions()
    assert not Shipment.objects.filter(order=fulfillment.order_id).exists()


def test_an_existing_shipment_of_the_units_is_kept(run_reactions):
    with as_rows():
        fulfillment = packed(2, shipping=SHIPPING)
    create(fulfillment)
    run_reactions()
    assert Shipment.objects.filter(order=fulfillment.order_id).count() == 1


def test_no_shipment_is_created_for_a_cancelled_order(run_reactions):
    with as_rows():
        fulfillment = packed(shipping=SHIPPING)
    order_lifecycle.cancel_order(order_id=fulfillment.order_id, reason="fraud")
    run_reactions()
    assert not Shipment.objects.exists()


@pytest.mark.parametrize("status", ["created", "label_created"])
def test_a_cancelled_order_cancels_its_open_shipments(status, run_reactions):
    shipment = ShipmentFactory(status=status)
    factories.cancel_order(shipment)
    run_reactions()
    shipment = selectors.get(shipment.id)
    assert shipment.status == "cancelled"
    assert event_data(shipment.order, "shipment.cancelled")["reason"] == "order_cancelled"


def test_the_order_follows_each_dispatched_and_delivered_shipment(run_reactions):
    order = order_in({"wh_1": 2, "wh_2": 1})
    first, second = (create(reach(each, "packed")) for each in fulfillments(order))
    for shipment in (first, second):
        dispatch(label(shipment))
    run_reactions()
    order = Order.objects.get(pk=order.pk)
    assert order.status == "shipped"
    assert event_names(order).count("order.shipped") == 2
    for shipment in (first, second):
        lifecycle.deliver_shipment(shipment_id=shipment.id, signature=f"S {shipment.id}")
    run_reactions()
    order.refresh_from_db()
    assert (order.status, order.delivery_signature) == ("delivered", f"S {second.id}")


def test_units_that_are_lost_are_sent_again(run_reactions):
    shipment = ShipmentFactory(status="lost")
    run_reactions()
    again = fulfillments(shipment.order)[-1]
    assert again.status == "open"
    parcel = dispatch(label(create(reach(again, "packed"))))
    run_reactions()
    lifecycle.deliver_shipment(shipment_id=parcel.id)
    run_reactions()
    assert Order.objects.get(pk=shipment.order_id).status == "delivered"
