"""Reads of shipments, for this context and for others."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now, TruncDate

import orders.selectors
import returns.selectors
from config.core.outbound import is_due
from config.core.unit_of_work import EVERYTHING, attached
from shipments.models import Adapter, CarrierAccount, Label, ParcelNumber, Shipment

if TYPE_CHECKING:
    from orders.models import Order

TO_DISPATCH = Q(status__in=Shipment.OPEN, order__held_at=None)
LATE = Q(status__in=Shipment.UNDER_WAY, estimated_delivery__lt=TruncDate(Now()))
# Labels that need attention: the purchase or the refund was refused, or a call had no result. A
# refused purchase is over once another is requested, or the shipment is cancelled.
_LATER = Label.objects.filter(shipment=OuterRef("shipment"), pk__gt=OuterRef("pk"))
_IS_NEEDED = Q(shipment__status=Shipment.Status.CREATED) & ~Exists(_LATER)
_PURCHASE_REFUSED = Q(status__in=[Label.Status.REFUSED, Label.Status.VOIDED]) & _IS_NEEDED
_VOID_REFUSED = Q(status=Label.Status.VOID_REFUSED)
_RETRYING = Q(status__in=Label.PENDING) & ~Q(last_error="")
CLOCK_SKEW = timedelta(minutes=10)  # accepted between our clock and that of clients and carriers
# While a shipment has one of these statuses, no other may use its tracking number.
_HAS_NUMBER = (Shipment.Status.LABEL_CREATED, *Shipment.UNDER_WAY)


def with_parts() -> QuerySet[Shipment]:
    """Return shipments with their items, labels and scans, their order, and what came back."""
    return without_items().prefetch_related("items")


def without_items() -> QuerySet[Shipment]:
    """Return shipments with their labels and scans, their order, and what came back."""
    parts = ("label_set", "scan_set")
    return _with_links().select_related("order").prefetch_related(*parts)


def get(shipment_id: str) -> Shipment:
    """Return a shipment with its parts."""
    return attached(Shipment, shipment_id) or with_parts().get(pk=shipment_id)


def get_for_update(shipment_id: str, visible: Q = EVERYTHING) -> Shipment:
    """Return a shipment. Its order is locked until the transaction ends."""
    return orders.selectors.find_for_update(Shipment, shipment_id, visible, rows=_with_links)


def of_order_for_update(order: "Order") -> list[Shipment]:
    """Return the shipments of an order that is locked, oldest first."""
    return orders.selectors.of_order(Shipment, order, rows=_with_links)


def is_any_dispatched(order: "Order") -> bool:
    """Return whether any shipment of an order was dispatched."""
    return any(shipment.dispatched_at for shipment in of_order_for_update(order))


def labeled(order: "Order") -> str | None:
    """Return the id of a shipment that has not left and has a label, or waits for one."""
    here = (
        each for each in of_order_for_update(order) if not (each.is_cancelled or each.dispatched_at)
    )
    labeled = (
        each.id for each in here if each.tracking_number or (each.label and each.label.is_in_use)
    )
    return next(labeled, None)


def shipped_units(order: "Order", fulfillment_id: str) -> Counter[str]:
    """Return the quantities of a fulfillment that are in shipments, by id of the order's line.

    Lost and returned shipments count, because their units are no longer packed.
    """
    units = Counter[str]()
    for shipment in of_order_for_update(order):
        if shipment.fulfillment_id == fulfillment_id and not shipment.is_cancelled:
            for line in shipment.lines:
                units[line.order_item_id] += line.quantity
    return units


def _with_links() -> QuerySet[Shipment]:
    shared = ParcelNumber.objects.filter(shipment=OuterRef("pk"), is_shared=True)
    return Shipment.objects.annotate(  # type: ignore[no-redef]
        is_received=returns.selectors.received_parcel("pk"), shares_number=Exists(shared)
    )


def has_label_problem() -> Exists:
    """Return the condition of shipments with a label that needs attention."""
    labels = Label.objects.filter(_PURCHASE_REFUSED | _VOID_REFUSED | _RETRYING)
    return Exists(labels.filter(shipment=OuterRef("pk")))


def due_labels(*, now: datetime | Now) -> QuerySet[Label]:
    """Return the labels whose carrier call is due at `now`.

    A label of an order on hold is not bought before the order is released.
    """
    may_call = Q(shipment__order__held_at=None) | Q(status=Label.Status.VOID_WANTED)
    return Label.objects.filter(is_due(now), may_call)


def due_for_tracking(*, now: datetime, organization_id: str | None = None) -> QuerySet[Shipment]:
    """Return the shipments whose tracking call is due at `now`."""
    due = Shipment.objects.filter(due_at__lte=now)
    if organization_id:
        due = due.filter(organization_id=organization_id)
    return due


def has_number(numbers: Iterable[str]) -> Q:
    """Return the condition of shipments with one of these tracking numbers."""
    numbers = list(numbers)
    first = Shipment.objects.filter(tracking_number__in=numbers).order_by().values("pk")
    further = ParcelNumber.objects.filter(tracking_number__in=numbers).values("shipment")
    return Q(pk__in=first.union(further))


def find_tracked(
    *,
    adapter: str,
    tracking_number: str,
    reference: str | None,
    carrier: str | None,
    at: datetime | None,
) -> Shipment | None:
    """Return the shipment that a webhook is about; `reference` is the carrier's id of its label.

    Carriers reuse their numbers. Without a reference, the shipments that existed at the time of the
    latest scan, `at`, come first, then those under way and those with the named carrier, then the
    latest. None if several organizations have such a shipment.
    """
    rows = Shipment.objects.filter(has_number([tracking_number]), adapter=adapter)
    if reference:
        sold = Label.objects.filter(_has_reference(reference), shipment=OuterRef("pk"))
        rows = rows.filter(Exists(sold))
    found = list(rows.order_by("-id"))
    if at:
        found = [each for each in found if each.created_at <= at + CLOCK_SKEW] or found[-1:]
    found = [shipment for shipment in found if shipment.status in _HAS_NUMBER] or found
    if carrier:
        name = carrier.casefold()
        found = [each for each in found if name.startswith(each.carrier.casefold())] or found
    organizations = {shipment.organization_id for shipment in found}
    return found[0] if len(organizations) == 1 else None


def _has_reference(reference: str) -> Q:
    first, last = Q(reference__startswith=f"{reference} "), Q(reference__endswith=f" {reference}")
    return Q(reference=reference) | first | last | Q(reference__contains=f" {reference} ")


def others_with(shipment: Shipment, numbers: Iterable[str]) -> QuerySet[Shipment]:
    """Return the other shipments under way with the same carrier and one of these numbers."""
    same = Shipment.objects.filter(
        has_number(numbers),
        organization_id=shipment.organization_id,
        carrier__iexact=shipment.carrier,
        status__in=_HAS_NUMBER,
    )
    return same.exclude(pk=shipment.pk).select_related("order")


def sharing(shipment_id: str, tracking_number: str) -> list[str]:
    """Return the ids of the other shipments under way that share this number with a shipment.

    In the order of their orders: they are locked one after the other.
    """
    mine = ParcelNumber.objects.filter(shipment=shipment_id, is_shared=True)
    shared = ParcelNumber.objects.filter(
        tracking_number=tracking_number,
        is_shared=True,
        shipment__organization_id=mine.values("shipment__organization_id")[:1],
        shipment__status__in=_HAS_NUMBER,
    )
    others = shared.exclude(shipment=shipment_id).order_by("shipment__order")
    return list(others.values_list("shipment", flat=True))


def adapter_for(organization_id: str, carrier: str) -> tuple[str, str | None]:
    """Return the adapter and the account that an organization uses for a carrier.

    Without a CarrierAccount, it is the adapter with the carrier's name, or else the sandbox if it
    is enabled, or else `manual`.
    """
    accounts = CarrierAccount.objects.filter(organization_id=organization_id)
    if account := accounts.filter(carrier__iexact=carrier).first():
        return account.adapter, account.account or None
    if carrier.lower() in Adapter.values:
        return carrier.lower(), None
    return (Adapter.SANDBOX if settings.CARRIER_SANDBOX else Adapter.MANUAL), None


def bought_label(label_id: str) -> Label | None:
    """Return the bought label of this id if its PDF is stored here."""
    stored = Label.objects.filter(status=Label.Status.BOUGHT).exclude(path="")
    return stored.filter(pk=label_id).first()
