"""What orders do when an event of another context is recorded."""

import pytest

from orders import selectors
from orders.models import Order
from shipments.services import lifecycle
from tests.factories import OrderFactory, cancel, pay, start_payment
from tests.fulfillment.factories import FulfillmentFactory, fulfillments, order_in, reach
from tests.log import event_data, event_names
from tests.reacting import as_rows
from tests.shipments.factories import create, dispatch, label, scan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def status(order):
    return Order.objects.get(pk=order.id).status


def dispatched(run_reactions):
    """An order with one shipment of its two units, which has left."""
    order = order_in({"wh_1": 2})
    shipment = dispatch(label(create(reach(fulfillments(order)[0], "packed"))))
    run_reactions()
    return order, shipment


def test_a_payment_confirms_the_order(run_reactions):
    order = OrderFactory()
    payment = pay(order)
    run_reactions()
    assert status(order) == "confirmed"
    assert event_data(order, "order.confirmed")["payment_id"] == payment.id


def test_a_payment_does_not_confirm_a_cancelled_order(run_reactions):
    order = OrderFactory()
    with as_rows():
        pay(order)
        cancel(order)
    run_reactions()
    assert status(order) == "cancelled"
    assert "order.confirmed" not in event_names(order)


def test_the_last_failed_attempt_cancels_the_order(run_reactions, monkeypatch):
    monkeypatch.setattr("payments.models.payment.MAX_ATTEMPTS", 1)
    order = OrderFactory()
    start_payment(order, token="tok_declined")
    run_reactions()
    assert event_data(order, "order.cancelled")["cancellation_reason"] == "payment_failed"


def test_a_mismatched_payment_holds_the_order(run_reactions):
    order = OrderFactory()
    start_payment(order, token="tok_wrong_amount")
    run_reactions()
    assert Order.objects.get(pk=order.id).hold_reason == "payment"


def test_the_first_started_fulfillment_moves_the_order_to_processing(run_reactions):
    fulfillment = FulfillmentFactory(status="started")
    run_reactions()
    assert status(fulfillment.order) == "processing"


def test_dispatched_and_delivered_shipments_are_counted(run_reactions):
    order, shipment = dispatched(run_reactions)
    assert status(order) == "shipped"
    lifecycle.deliver_shipment(shipment_id=shipment.id)
    run_reactions()
    assert status(order) == "delivered"
    assert selectors.get(order.id).lines[0].delivered == 2


def test_units_of_a_lost_shipment_can_ship_again(run_reactions):
    order, shipment = dispatched(run_reactions)
    scan(shipment, "lost")
    run_reactions()
    assert "order.units_reopened" in event_names(order)
    assert selectors.get(order.id).lines[0].unshipped_quantity == 2
