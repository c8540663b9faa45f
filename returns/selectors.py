"""Read returns."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet

import orders.selectors
import payments.selectors
from returns.models import PaidBy, Policy, ReceiptItem, Return, ReturnItem

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
    contents = ReceiptItem.objects.select_related("item")
    return with_refundable().prefetch_related("items", Prefetch("receipts__items", contents))


def get(return_id: str) -> Return:
    """Return a return with its items and receipts, to read."""
    return with_parts().get(pk=return_id)


def get_for_update(return_id: str) -> Return:
    """Lock the order, then return the return with its items and their order lines."""
    order_id = Return.objects.values_list("order_id", flat=True).get(pk=return_id)
    orders.selectors.get_for_update(order_id)
    items = ReturnItem.objects.select_related("order_item__order")
    row: Return = with_refundable().prefetch_related(Prefetch("items", items)).get(pk=return_id)
    return row


def reserved_unit_numbers(order_id: str) -> dict[str, set[int]]:
    """Return the units that an order's returns include, by order line."""
    numbers = defaultdict[str, set[int]](set)
    for return_request in Return.objects.prefetch_related("items").filter(order=order_id):
        for line in return_request.lines:
            numbers[line.order_item_id].update(return_request.reserved_unit_numbers(line))
    return numbers


def received_quantities(order_id: str) -> Counter[str]:
    """Return the units that the customer returned, accepted or not, by order line."""
    units = Counter[str]()
    items = ReturnItem.objects.filter(
        return_request__order=order_id, return_request__shipment__isnull=True
    )
    for order_item_id, received in items.values_list("order_item", "received_quantity"):
        units[order_item_id] += received
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
