"""Reads of shipments, for this context and for others."""

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now, TruncDate

import orders.selectors
import returns.selectors
from config.core.outbound import is_due
from config.core.unit_of_work import EVERYTHING, attached
from shipments.models import Adapter, CarrierAccount, Label, Shipment

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
# While a shipment has one of these statuses, no other may use its tracking number.
_HAS_NUMBER = (Shipment.Status.LABEL_CREATED, *Shipment.UNDER_WAY)


def with_parts() -> QuerySet[Shipment]:
    """Return shipments with their items, labels and scans, their order, and what came back."""
    return without_items().prefetch_related("items")


def without_items() -> QuerySet[Shipment]:
    """Return shipments with their labels and scans, their order, and what came back."""
    parts = ("label_set", "scan_set")
    return _with_receipt().select_related("order").prefetch_related(*parts)


def get(shipment_id: str) -> Shipment:
    """Return a shipment with its parts."""
    return attached(Shipment, shipment_id) or with_parts().get(pk=shipment_id)


def get_for_update(shipment_id: str, visible: Q = EVERYTHING) -> Shipment:
    """Return a shipment. Its order is locked until the transaction ends."""
    return orders.selectors.find_for_update(Shipment, shipment_id, visible, rows=_with_receipt)


def of_order_for_update(order: "Order") -> list[Shipment]:
    """Return the shipments of an order that is locked, oldest first."""
    return orders.selectors.of_order(Shipment, order, rows=_with_receipt)


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


def _with_receipt() -> QuerySet[Shipment]:
    return Shipment.objects.annotate(is_received=returns.selectors.received_parcel("pk"))  # type: ignore[no-redef]


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


def find_tracked(
    *, adapter: str, tracking_number: str, reference: str | None, carrier: str | None
) -> Shipment | None:
    """Return the shipment that a webhook is about; `reference` is the carrier's id of its label.

    Carriers reuse their numbers. Without a reference, shipments under way and shipments with the
    named carrier come first, then the latest. None if several organizations have such a shipment.
    """
    rows = Shipment.objects.filter(adapter=adapter, tracking_number=tracking_number)
    if reference:
        rows = rows.filter(
            Exists(Label.objects.filter(shipment=OuterRef("pk"), reference=reference))
        )
    found = list(rows.order_by("-id"))
    found = [shipment for shipment in found if shipment.status in _HAS_NUMBER] or found
    if carrier:
        name = carrier.casefold()
        found = [each for each in found if name.startswith(each.carrier.casefold())] or found
    organizations = {shipment.organization_id for shipment in found}
    return found[0] if len(organizations) == 1 else None


def is_number_in_use(shipment: Shipment, tracking_number: str) -> bool:
    """Return whether another shipment with the same carrier uses this tracking number."""
    same = Shipment.objects.filter(
        organization_id=shipment.organization_id,
        carrier__iexact=shipment.carrier,
        tracking_number=tracking_number,
        status__in=_HAS_NUMBER,
    )
    return same.exclude(pk=shipment.pk).exists()


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
