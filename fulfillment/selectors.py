"""Read fulfillments."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from django.db.models import Exists, F, OuterRef, Q, QuerySet

import orders.selectors
from config.core.unit_of_work import EVERYTHING, attached
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
    return attached(Fulfillment, fulfillment_id) or with_lines().get(pk=fulfillment_id)


def get_for_update(fulfillment_id: str, visible: Q = EVERYTHING) -> Fulfillment:
    """Return a fulfillment. Its order is locked until the transaction ends."""
    return orders.selectors.find_for_update(Fulfillment, fulfillment_id, visible)


def of_order_for_update(order: "Order") -> list[Fulfillment]:
    """Return the fulfillments of an order that is locked, oldest first."""
    return orders.selectors.of_order(Fulfillment, order)


def unpacked(order: "Order") -> list[Fulfillment]:
    """Return the fulfillments of a locked order that can take more units, oldest first."""
    return [row for row in of_order_for_update(order) if row.status in Fulfillment.UNPACKED]


def find_pick(fulfillment_id: str, scan_id: str) -> Pick | None:
    """Return the pick that was recorded under a scan's id, if there is one."""
    return Pick.objects.filter(fulfillment=fulfillment_id, scan_id=scan_id).first()


def has_started(order: "Order") -> bool:
    """Return whether picking has started in at least one warehouse."""
    return any(each.started_at for each in of_order_for_update(order))


def picked_quantities(order: "Order") -> Counter[str]:
    """Return an order's picked units by order line, without lost ones."""
    return _count(order, lambda line: line.picked_quantity)


def planned_quantities(order: "Order") -> Counter[str]:
    """Return an order's units that are assigned to warehouses, by order line, without lost ones."""
    return _count(order, lambda line: line.quantity)


def unplanned_quantities(order: "Order") -> Counter[str]:
    """Return an order's units that are to be sent and assigned to no warehouse, by order line."""
    sendable = Counter({line.id: line.sendable_quantity for line in order.lines})
    return sendable - planned_quantities(order)


def movable_quantities(order: "Order") -> list[tuple[str | None, Counter[str]]]:
    """Return the units that can still be withdrawn, by order line, of each warehouse.

    In the order in which written-off units are withdrawn: see `in_order_of_withdrawal`.
    """
    rows = of_order_for_update(order)
    return [(each.warehouse_id, each.movable_quantities) for each in in_order_of_withdrawal(rows)]


def in_order_of_withdrawal(fulfillments: Iterable[Fulfillment]) -> list[Fulfillment]:
    """Sort fulfillments: first those that have not started, then the newest."""
    return sorted(
        (each for each in fulfillments if each.status != Status.CANCELLED),
        key=lambda each: (each.status == Status.OPEN, each.id),
        reverse=True,
    )


def _count(order: "Order", quantity: Callable[[FulfillmentItem], int]) -> Counter[str]:
    units = Counter[str]()
    for fulfillment in of_order_for_update(order):
        if fulfillment.status != Status.CANCELLED:
            for line in fulfillment.lines:
                units[line.order_item_id] += quantity(line) - line.lost_quantity
    return units
