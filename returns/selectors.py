"""Reading returns. Nothing here writes."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.db.models import F, Prefetch, Q, QuerySet

import payments.selectors
from returns.models import PaidBy, Policy, ReceiptItem, Return, ReturnItem

# Returns that wait for somebody: to be decided on, to be unpacked, and to be paid for or closed.
TO_APPROVE = Q(status=Return.Status.REQUESTED)
TO_RECEIVE = Q(status=Return.Status.APPROVED)
TO_SETTLE = Q(status=Return.Status.RECEIVED, due=F("refunded"))
TO_REFUND = TO_SETTLE & Q(accepted_value__gt=0)


class Terms(NamedTuple):
    """On what terms an organization takes units back."""

    window_days: int
    restocking_fee: Decimal
    postage_paid_by: str


def with_parts() -> QuerySet[Return]:
    """Return returns to show, with their items and receipts."""
    contents = ReceiptItem.objects.select_related("item")
    return Return.objects.prefetch_related("items", Prefetch("receipts__items", contents))


def to_change() -> QuerySet[Return]:
    """Return returns to change, with their items and the order's lines that these are about."""
    items = ReturnItem.objects.select_related("order_item__order")
    return Return.objects.prefetch_related(Prefetch("items", items))


def get(return_id: str) -> Return:
    """Return a return to show."""
    return with_parts().get(pk=return_id)


def held(order_id: str) -> dict[str, set[int]]:
    """Return the units that returns of an order stand for, by the line's id."""
    units = defaultdict[str, set[int]](set)
    for return_request in Return.objects.prefetch_related("items").filter(order=order_id):
        for line in return_request.lines:
            units[line.order_item_id].update(return_request.held(line))
    return units


def units_received(order_id: str) -> Counter[str]:
    """Return how many units of an order have come back, accepted or not, by the line's id."""
    units = Counter[str]()
    items = ReturnItem.objects.filter(return_request__order=order_id)
    for line, received in items.values_list("order_item", "received"):
        units[line] += received
    return units


def refundable(return_request: Return) -> Decimal:
    """Return what may be asked for now, without permission."""
    left = payments.selectors.refundable(return_request.order_id)
    return min(return_request.refundable, left)


def worth(return_request: Return) -> Decimal:
    """Return what may be asked for now, with permission."""
    return min(return_request.worth, payments.selectors.refundable(return_request.order_id))


def terms(organization_id: str) -> Terms:
    """Return an organization's own terms; what it leaves open, the settings decide."""
    own = Policy.objects.filter(pk=organization_id).first() or Policy()
    days = own.window_days
    return Terms(
        window_days=settings.RETURN_WINDOW_DAYS if days is None else days,
        restocking_fee=own.restocking_fee or Decimal(0),
        postage_paid_by=own.postage_paid_by or PaidBy.SELLER,
    )
