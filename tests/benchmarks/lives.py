"""Lives of orders, created through the services: the patterns that `make load` copies."""

from collections.abc import Callable
from typing import Any

from django.db import connection

from carts import services as carts
from events import reactions
from events.models import Reaction
from orders.models import Order
from orders.services import reservations
from shipments.models import Shipment
from tests.factories import ADDRESS, CartFactory, LineFactory, cancel, deliver_documents, pay
from tests.flows.goods import arrive, now, pack, ship
from tests.fulfillment.factories import fulfillments

CUSTOMER, EMAIL = "cust_789", "juan@example.com"


def run_reactions() -> None:
    """Run the pending reactions of all contexts until none is left."""
    while pending := Reaction.objects.order_by("id").first():
        assert not pending.attempts, pending.last_error
        reactions.run_pending(pending.stream)


def placed() -> Order:
    """A cart of two lines, checked out."""
    cart = CartFactory(customer_id=CUSTOMER, lines=[LineFactory(), LineFactory()])
    order_id, _ = carts.check_out(
        cart_id=cart.id, customer_email=EMAIL, shipping_address=ADDRESS, shipping=None
    )
    run_reactions()
    return reservations.reserve_stock(
        order_id=order_id,
        reservation_id="res_1",
        allocations=[
            {"order_item_id": line.id, "warehouse_id": "wh_1", "quantity": line.quantity}
            for line in Order.objects.get(pk=order_id).lines
        ],
    )


def cancelled() -> None:
    """An unpaid order."""
    cancel(placed())


def confirmed() -> Order:
    """Paid, billed, and the invoice mailed."""
    order = placed()
    pay(order)
    run_reactions()
    deliver_documents()
    return now(order)


def processing() -> Order:
    order = confirmed()
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    return order


def shipped() -> Shipment:
    (found,) = fulfillments(processing())
    return ship(found, run_reactions=run_reactions)


def delivered() -> None:
    arrive(shipped(), run_reactions=run_reactions)


ENDED: tuple[Callable[[], Any], ...] = (delivered, cancelled, cancelled, cancelled)
OPEN: tuple[Callable[[], Any], ...] = (placed, confirmed, processing, shipped)


def live(life: Callable[[], Any]) -> None:
    """Run a life, and mark all its events as published."""
    life()
    run_reactions()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_publication (event_id, organization_id)"
            " SELECT number, organization_id FROM events_eventrecord"
            " WHERE number IN (SELECT event_id FROM events_outbox) ORDER BY number"
        )
        cursor.execute("DELETE FROM events_outbox")
