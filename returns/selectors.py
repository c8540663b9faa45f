"""Read returns."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet

import orders.selectors
import payments.selectors
from config.core.unit_of_work import EVERYTHING
from returns.models import PaidBy, Policy, ReceiptItem, Return

if TYPE_CHECKING:
    from orders.models import Order

# Work queues.
TO_APPROVE = Q(status=Return.Status.REQUESTED)
TO_RECEIVE = Q(status=Return.Status.APPROVED)
TO_SETTLE = Q(status=Return.Status.RECEIVED, due_amount=F("refunded_amount"))
TO_REFUND = TO_SETTLE & Q(accepted_value__gt=0, refundable__gt=0)  # of `with_refundable`


class Terms(NamedTuple):
    """An organization's terms for returns."""

    window_days: int
    restocking_fee: Decimal
    postage_paid_by: str


def with_refundable() -> QuerySet[Return]:
    """Return returns with what their order's payments have left, and their parcel's delivery."""
    return Return.objects.annotate(
        refundable=payments.selectors.refundable(order="order"),  # type: ignore[no-redef]
        parcel_delivered_at=F("shipment__delivered_at"),
    )


def with_parts() -> QuerySet[Return]:
    """Return returns with their items and receipts, to read."""
    receipts = Prefetch("receipts__items", ReceiptItem.objects.select_related("item"))
    return with_refundable().prefetch_related("items", receipts)


def complete(row: Return) -> Return:
    """Add to a return in hand what its order's payments have left, as it is now."""
    order = orders.selectors.get_for_update(row.order_id)
    if "refundable" not in vars(row) or payments.selectors.are_read(order):
        row.refundable = payments.selectors.remaining(order)
    return row


def get(return_id: str) -> Return:
    """Return a return with its items and receipts, to read."""
    return with_parts().get(pk=return_id)


def get_for_update(return_id: str, visible: Q = EVERYTHING) -> Return:
    """Return a return. Its order is locked until the transaction ends."""
    return orders.selectors.find_for_update(Return, return_id, visible, rows=with_refundable)


def get_to_refund(return_id: str) -> Return:
    """Return a return as `get_for_update` does, with what can be refunded of its own units."""
    row = get_for_update(return_id)
    row.refundable = payments.selectors.refundable_of_return(row.order, row.accepted_units, row.id)
    return row


def of_order_for_update(order: "Order") -> list[Return]:
    """Return the returns of an order that is locked, as `get_for_update` does, oldest first."""
    return orders.selectors.of_order(Return, order, rows=with_refundable)


def reserved_unit_numbers(order: "Order") -> dict[str, set[int]]:
    """Return the units that an order's returns include, by order line."""
    numbers = defaultdict[str, set[int]](set)
    for return_request in of_order_for_update(order):
        for line in return_request.lines:
            numbers[line.order_item_id].update(return_request.reserved_unit_numbers(line))
    return numbers


def received_quantities(order: "Order") -> Counter[str]:
    """Return the units that the customer returned, accepted or not, by order line."""
    units = Counter[str]()
    for return_request in of_order_for_update(order):
        if return_request.shipment_id is None:
            for line in return_request.lines:
                units[line.order_item_id] += line.received_quantity
    return units


def received_parcel(shipment: str) -> Exists:
    """Return the condition that a warehouse has received units of a shipment that came back.

    `shipment` is the name of the field with its id.
    """
    parcels = Return.objects.filter(shipment=OuterRef(shipment))
    return Exists(parcels.filter(received_at__isnull=False))


def terms(organization_id: str) -> Terms:
    """Return an organization's terms, with defaults for those it has not set."""
    policy = Policy.objects.filter(pk=organization_id).first() or Policy()
    days = policy.window_days
    return Terms(
        window_days=settings.RETURN_WINDOW_DAYS if days is None else days,
        restocking_fee=policy.restocking_fee or Decimal(0),
        postage_paid_by=policy.postage_paid_by or PaidBy.SELLER,
    )
