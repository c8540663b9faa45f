"""Reading fulfillments. Nothing here writes."""

from collections import Counter

from django.db.models import Exists, F, OuterRef, Q, QuerySet

import orders.selectors
from fulfillment.models import Fulfillment, FulfillmentItem, Pick

Status = Fulfillment.Status
_LINES = FulfillmentItem.objects.filter(fulfillment=OuterRef("pk"))
_UNPICKED = Exists(_LINES.filter(quantity__gt=F("picked") + F("short")))
_PICKED = Exists(_LINES.filter(picked__gt=0))

# Fulfillments that wait for somebody: to be picked, to be packed, and to say what becomes of units
# that are not to be found. What is on hold waits for those who hold it.
TO_PICK = Q(status__in=Fulfillment.LIVE, order__held_at=None) & (Q(status="open") | _UNPICKED)
TO_PACK = Q(status=Status.STARTED) & ~_UNPICKED & _PICKED
WITH_SHORT_UNITS = Q(
    Exists(_LINES.filter(short__gt=0)),
    ~Q(status=Status.CANCELLED),
    ~Q(order__status="cancelled"),
)


def with_lines() -> QuerySet[Fulfillment]:
    """Return fulfillments to show or to change, with their lines, and the order's columns."""
    return Fulfillment.objects.select_related("order").prefetch_related("items")


def get(fulfillment_id: str) -> Fulfillment:
    """Return a fulfillment to show."""
    return with_lines().get(pk=fulfillment_id)


def order_of(fulfillment_id: str) -> str:
    """Return the id of a fulfillment's order."""
    return Fulfillment.objects.values_list("order_id", flat=True).get(pk=fulfillment_id)


def lock(fulfillment_id: str) -> Fulfillment:
    """Return a fulfillment of which, as of its order, nobody else changes anything meanwhile."""
    order = orders.selectors.get_for_update(order_of(fulfillment_id))
    fulfillment = _locked().get(pk=fulfillment_id)
    fulfillment.order = order
    return fulfillment


def lock_of_order(order_id: str) -> list[Fulfillment]:
    """Return the fulfillments of an order that is locked already, oldest first."""
    return list(_locked().filter(order=order_id).order_by("id"))


def live(order_id: str) -> list[Fulfillment]:
    """Return those of an order that is locked to which units may be added, oldest first."""
    return list(_locked().filter(order=order_id, status__in=Fulfillment.LIVE).order_by("id"))


def scanned(fulfillment_id: str, scan_id: str) -> Pick | None:
    """Return what a scan has counted before, if it has come before."""
    return Pick.objects.filter(fulfillment=fulfillment_id, scan_id=scan_id).first()


def has_started(order_id: str) -> bool:
    """Return whether somebody has begun to pick an order."""
    return Fulfillment.objects.filter(order=order_id, started_at__isnull=False).exists()


def kept(order_id: str) -> Counter[str]:
    """Return how many units of an order are picked and not lost, by the order's line."""
    return _count(order_id, "picked")


def planned(order_id: str) -> Counter[str]:
    """Return how many units of an order somebody is to send or has sent, by the order's line."""
    return _count(order_id, "quantity")


def _count(order_id: str, counter: str) -> Counter[str]:
    """Add up a counter of an order's lines, less what is lost."""
    lines = FulfillmentItem.objects.filter(fulfillment__order=order_id)
    lines = lines.exclude(fulfillment__status=Status.CANCELLED)
    units = Counter[str]()
    for item, counted, lost in lines.values_list("order_item_id", counter, "lost"):
        units[item] += counted - lost
    return units


def _locked() -> QuerySet[Fulfillment]:
    return Fulfillment.objects.prefetch_related("items").select_for_update(no_key=True)
