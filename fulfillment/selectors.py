"""Read fulfillments."""

from collections import Counter
from typing import TYPE_CHECKING

from django.db.models import Exists, F, OuterRef, Q, QuerySet

import orders.selectors
from fulfillment.models import Fulfillment, FulfillmentItem, Pick

if TYPE_CHECKING:
    from orders.models import Order

Status = Fulfillment.Status
_LINES = FulfillmentItem.objects.filter(fulfillment=OuterRef("pk"))
_UNPICKED = Exists(_LINES.filter(quantity__gt=F("picked_quantity") + F("short_quantity")))
_PICKED = Exists(_LINES.filter(picked_quantity__gt=0))

# Work queues. Orders on hold are in neither of the first two; they have a queue of their own.
TO_PICK = Q(
    Q(status=Status.OPEN) | Q(_UNPICKED), status__in=Fulfillment.UNPACKED, order__held_at=None
)
TO_PACK = Q(~_UNPICKED, _PICKED, status=Status.STARTED, order__held_at=None)
TO_UNPACK = Q(to_unpack=True)
WITH_SHORT_UNITS = Q(
    Exists(_LINES.filter(short_quantity__gt=0)),
    ~Q(status=Status.CANCELLED),
    ~Q(order__status="cancelled"),
)


def with_lines() -> QuerySet[Fulfillment]:
    """Return fulfillments with their lines and their order."""
    return without_lines().prefetch_related("items")


def without_lines() -> QuerySet[Fulfillment]:
    """Return fulfillments with their order."""
    return Fulfillment.objects.select_related("order")


def get(fulfillment_id: str) -> Fulfillment:
    """Return a fulfillment with its lines and its order, to read."""
    return with_lines().get(pk=fulfillment_id)


def order_of(fulfillment_id: str) -> str:
    """Return the id of a fulfillment's order."""
    return Fulfillment.objects.values_list("order_id", flat=True).get(pk=fulfillment_id)


def get_for_update(fulfillment_id: str) -> Fulfillment:
    """Lock the order, then return the fulfillment with its lines and the order."""
    order = orders.selectors.get_for_update(order_of(fulfillment_id))
    fulfillment: Fulfillment = Fulfillment.objects.prefetch_related("items").get(pk=fulfillment_id)
    fulfillment.order = order
    return fulfillment


def of_order(order_id: str) -> QuerySet[Fulfillment]:
    """Return an order's fulfillments with their lines, oldest first."""
    return Fulfillment.objects.prefetch_related("items").filter(order=order_id).order_by("id")


def unpacked(order_id: str) -> QuerySet[Fulfillment]:
    """Return an order's fulfillments that can take more units, oldest first."""
    return of_order(order_id).filter(status__in=Fulfillment.UNPACKED)


def find_pick(fulfillment_id: str, scan_id: str) -> Pick | None:
    """Return the pick that was recorded under a scan's id, if there is one."""
    return Pick.objects.filter(fulfillment=fulfillment_id, scan_id=scan_id).first()


def has_started(order_id: str) -> bool:
    """Return whether picking has started in at least one warehouse."""
    return Fulfillment.objects.filter(order=order_id, started_at__isnull=False).exists()


def picked_quantities(order_id: str) -> Counter[str]:
    """Return an order's picked units by order line, without lost ones."""
    return _count(order_id, "picked_quantity")


def planned_quantities(order_id: str) -> Counter[str]:
    """Return an order's units that are assigned to warehouses, by order line, without lost ones."""
    return _count(order_id, "quantity")


def unplanned_quantities(order: "Order") -> Counter[str]:
    """Return an order's units that are to be sent and assigned to no warehouse, by order line."""
    sendable = Counter({line.id: line.sendable_quantity for line in order.lines})
    return sendable - planned_quantities(order.id)


def movable_quantities(order_id: str) -> list[tuple[str | None, Counter[str]]]:
    """Return the units that can still be withdrawn, by order line, of each warehouse.

    In the order in which written-off units are withdrawn: see `in_order_of_withdrawal`.
    """
    return [
        (each.warehouse_id, each.movable_quantities) for each in in_order_of_withdrawal(order_id)
    ]


def in_order_of_withdrawal(order_id: str) -> list[Fulfillment]:
    """Return the fulfillments: first those that have not started, then the newest."""
    fulfillments = [each for each in of_order(order_id) if each.status != Status.CANCELLED]
    return sorted(
        fulfillments, key=lambda each: (each.status == Status.OPEN, each.id), reverse=True
    )


def _count(order_id: str, field: str) -> Counter[str]:
    lines = FulfillmentItem.objects.filter(fulfillment__order=order_id)
    lines = lines.exclude(fulfillment__status=Status.CANCELLED)
    units = Counter[str]()
    for item, quantity, lost in lines.values_list("order_item_id", field, "lost_quantity"):
        units[item] += quantity - lost
    return units
