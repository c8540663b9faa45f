"""Reading orders. Nothing here writes."""

from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

import payments.selectors
from orders.exceptions import UnknownShipment
from orders.models import Dispatch, Order, Policy, WriteOff

# Orders that wait for somebody: to look at them before they are fulfilled; and to tell Inventory
# about units that were written off.
ON_HOLD = Q(held_at__isnull=False) & ~Q(status__in=[Order.Status.DELIVERED, Order.Status.CANCELLED])
WITH_UNRELEASED_UNITS = Exists(
    WriteOff.objects.filter(order=OuterRef("pk"), released_at__isnull=True)
)


def with_lines() -> QuerySet[Order]:
    """Return orders to show or to change, with their lines and allocations."""
    return Order.objects.prefetch_related("items__allocations")


def to_show() -> QuerySet[Order]:
    """Return orders to show, with how much was `captured` for each, and how much `refunded`."""
    captured, refunded = map(payments.selectors.sum_of, ("captured", "refunded"))
    return with_lines().annotate(captured=captured, refunded=refunded)


def get(order_id: str) -> Order:
    """Return an order to show."""
    return to_show().get(pk=order_id)


def numbered(number: str) -> list[str]:
    """Return the ids of the orders of this number, of which each organization has one."""
    return list(Order.objects.filter(number=number).values_list("pk", flat=True))


def get_for_update(order_id: str) -> Order:
    """Return an order, locked until the transaction ends. The lock covers all rows of an order."""
    order: Order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
    return order


def unpaid(*, now: datetime, organization_id: str | None = None) -> QuerySet[Order]:
    """Return placed orders whose reservation has expired, and whose money is not on its way."""
    orders = with_lines().filter(
        ~payments.selectors.keeping(now),
        status=Order.Status.PLACED,
        reservation_expires_at__lte=now,
    )
    if organization_id:
        orders = orders.filter(organization_id=organization_id)
    return orders.order_by("reservation_expires_at")


def reservation_ttl_minutes(organization_id: str) -> int:
    """Return how long the organization reserves stock for an order that is not paid yet."""
    policy = Policy.objects.filter(pk=organization_id).first()
    own = policy.reservation_ttl_minutes if policy else None
    return own or settings.RESERVATION_TTL_MINUTES


def dispatches(order: Order, shipment_id: str) -> list[Dispatch]:
    """Return what left in a shipment. Raises UnknownShipment."""
    rows = list(order.dispatches.filter(shipment_id=shipment_id).order_by("id"))
    if not rows:
        raise UnknownShipment(f"Nothing of {order.id} has left in {shipment_id}.")
    return rows


def delivered_at(order: Order) -> dict[str, datetime]:
    """Return when units of a line arrived the last time, by the line's id."""
    arrived = order.dispatches.filter(delivered_at__isnull=False).values_list("order_item")
    return dict(arrived.annotate(Max("delivered_at")))


def unreleased(order: Order) -> list[WriteOff]:
    """Return what was written off and nobody has released in Inventory yet."""
    return list(order.write_offs.filter(released_at__isnull=True).order_by("id"))


def payment_status(
    order: Any,
) -> Literal["not_required", "unpaid", "paid", "partially_refunded", "refunded"]:
    """Whether what is due has been paid, and not given back; of an order `to_show`."""
    captured, refunded = order.captured, order.refunded
    if not captured:
        return "unpaid" if order.total else "not_required"
    if refunded:
        return "refunded" if refunded >= captured else "partially_refunded"
    return "paid"


def fulfillment_status(
    order: Order,
) -> Literal["unfulfilled", "partially_shipped", "shipped", "partially_delivered", "delivered"]:
    """Return how far the active units have come."""
    active = order.quantities.total("active_quantity")
    if delivered := order.quantities.total("delivered"):
        return "delivered" if delivered == active else "partially_delivered"
    if shipped := order.quantities.total("shipped"):
        return "shipped" if shipped == active else "partially_shipped"
    return "unfulfilled"


def return_status(order: Order) -> Literal["none", "partially_returned", "returned"]:
    """Return how many of the delivered units were returned."""
    returned = order.quantities.total("returned")
    if not returned:
        return "none"
    is_all = returned == order.quantities.total("delivered")
    return "returned" if is_all else "partially_returned"
