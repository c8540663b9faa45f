"""What orders do when an event of another context is recorded."""

import pytest

from orders import selectors
from orders.models import Order
from shipments.services import lifecycle
from tests.factories import OrderFactory, cancel, pay, start_payment
from tests.facts import data, told
from tests.fulfillment.factories import FulfillmentFactory, fulfillments, order_in, reach
from tests.shipments.factories import create, dispatch, label, scan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def status(order):
    return Order.objects.get(pk=order.id).status


def dispatched(settle):
    """An order with one shipment of its two units, which has left."""
    order = order_in({"wh_1": 2})
    shipment = dispatch(label(create(reach(fulfillments(order)[0], "packed"))))
    settle()
    return order, shipment


def test_a_payment_confirms_the_order(settle):
    order = OrderFactory()
    payment = pay(order)
    settle()
    assert status(order) == "confirmed"
    assert data(order, "order.confirmed")["payment_id"] == payment.id


def test_a_payment_does_not_confirm_a_cancelled_order(settle):
    order = OrderFactory()
    pay(order)
    cancel(order)
    settle()
    assert status(order) == "cancelled"
    assert "order.confirmed" not in told(order)


def test_the_last_failed_attempt_cancels_the_order(settle, monkeypatch):
    monkeypatch.setattr("payments.models.payment.MAX_ATTEMPTS", 1)
    order = OrderFactory()
    start_payment(order, token="tok_declined")
    settle()
    assert data(order, "order.cancelled")["cancellation_reason"] == "payment_failed"


def test_a_mismatched_payment_holds_the_order(settle):
    order = OrderFactory()
    start_payment(order, token="tok_wrong_amount")
    settle()
    assert Order.objects.get(pk=order.id).hold_reason == "payment"


def test_the_first_started_fulfillment_moves_the_order_to_processing(settle):
    fulfillment = FulfillmentFactory(status="started")
    settle()
    assert status(fulfillment.order) == "processing"


def test_dispatched_and_delivered_shipments_are_counted(settle):
    order, shipment = dispatched(settle)
    assert status(order) == "shipped"
    lifecycle.deliver_shipment(shipment_id=shipment.id)
    settle()
    assert status(order) == "delivered"
    assert selectors.get(order.id).lines[0].delivered == 2


def test_units_of_a_lost_shipment_can_ship_again(settle):
    order, shipment = dispatched(settle)
    scan(shipment, "lost")
    settle()
    assert "order.units_reopened" in told(order)
    assert selectors.get(order.id).lines[0].unshipped_quantity == 2
