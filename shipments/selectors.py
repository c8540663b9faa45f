"""Reading shipments. Nothing here writes."""

from collections import Counter
from datetime import date, datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from shipments.models import Adapter, CarrierAccount, Label, Shipment, ShipmentItem

# Shipments that wait for somebody: to be labelled or dispatched, and those whose carrier refuses
# a label or does not answer.
_NUMBERED = (Shipment.Status.LABEL_CREATED, *Shipment.UNDER_WAY)  # while its number is its own
TO_DISPATCH = Q(status__in=Shipment.OPEN)
_LATER = Label.objects.filter(shipment=OuterRef("shipment"), pk__gt=OuterRef("pk"))
_IS_WAITED_FOR = Q(shipment__status=Shipment.Status.CREATED) & ~Exists(_LATER)
_REFUSED = Q(status__in=[Label.Status.REFUSED, Label.Status.VOIDED]) & _IS_WAITED_FOR
_KEPT = Q(status=Label.Status.VOID_REFUSED)
_SILENT = Q(status__in=Label.TO_ASK) & ~Q(last_error="")


def with_parts() -> QuerySet[Shipment]:
    """Return shipments to show or to change, with what is in them, their labels and scans."""
    return Shipment.objects.prefetch_related("items", "labels", "scans")


def get(shipment_id: str) -> Shipment:
    """Return a shipment to show."""
    return with_parts().get(pk=shipment_id)


def live(order_id: str) -> QuerySet[Shipment]:
    """Return the shipments of an order that are not cancelled."""
    return Shipment.objects.filter(order=order_id).exclude(status=Shipment.Status.CANCELLED)


def open_of(order_id: str) -> list[str]:
    """Return which shipments of an order have not left and may yet be cancelled."""
    rows = Shipment.objects.filter(TO_DISPATCH, order=order_id).order_by("id")
    return list(rows.values_list("pk", flat=True))


def has_left(order_id: str) -> bool:
    """Return whether anything of an order was ever dispatched."""
    return Shipment.objects.filter(order=order_id, dispatched_at__isnull=False).exists()


def units_of(fulfillment_id: str) -> Counter[str]:
    """Return how many units of a fulfillment are in shipments, by the order's line.

    Those of a shipment that was lost or came back count too: they are not packed any more.
    """
    items = ShipmentItem.objects.filter(shipment__fulfillment=fulfillment_id)
    items = items.exclude(shipment__status=Shipment.Status.CANCELLED)
    units = Counter[str]()
    for item, quantity in items.values_list("order_item_id", "quantity"):
        units[item] += quantity
    return units


def late(today: date) -> Q:
    """Say, in a query of shipments, whether one should have arrived before `today`."""
    return Q(status__in=Shipment.UNDER_WAY, estimated_delivery__lt=today)


def with_failing_labels() -> Exists:
    """Say, in a query of shipments, whether its carrier refuses something, or does not answer.

    A refusal of a label is over once another is asked for, or the shipment is cancelled.
    """
    return Exists(Label.objects.filter(_REFUSED | _KEPT | _SILENT, shipment=OuterRef("pk")))


def labels_due(*, now: datetime) -> QuerySet[Label]:
    """Return labels about which a carrier is to be asked something at `now`."""
    return Label.objects.filter(due_at__lte=now).order_by("due_at")


def to_track(*, now: datetime, organization_id: str | None = None) -> QuerySet[Shipment]:
    """Return shipments whose carrier is to be asked at `now` where they are."""
    due = Shipment.objects.filter(track_at__lte=now)
    if organization_id:
        due = due.filter(organization_id=organization_id)
    return due.order_by("track_at")


def known(
    *, adapter: str, tracking_number: str, reference: str | None, carrier: str | None
) -> Shipment | None:
    """Return the shipment that a carrier means, of whose label `reference` is its own name.

    Carriers use their numbers again: without a reference it is one under way with the carrier
    that is named, if there is such, and the latest. None if it may be another organization's.
    """
    meant = Shipment.objects.filter(adapter=adapter, tracking_number=tracking_number)
    if reference:
        meant = meant.filter(
            Exists(Label.objects.filter(shipment=OuterRef("pk"), reference=reference))
        )
    found = list(meant.order_by("-id"))
    found = [shipment for shipment in found if shipment.status in _NUMBERED] or found
    if carrier:
        name = carrier.casefold()
        found = [each for each in found if name.startswith(each.carrier.casefold())] or found
    organizations = {shipment.organization_id for shipment in found}
    return found[0] if len(organizations) == 1 else None


def is_number_in_use(shipment: Shipment, tracking_number: str) -> bool:
    """Return whether another parcel is under way with the same carrier under this number."""
    same = Shipment.objects.filter(
        organization_id=shipment.organization_id,
        carrier__iexact=shipment.carrier,
        tracking_number=tracking_number,
        status__in=_NUMBERED,
    )
    return same.exclude(pk=shipment.pk).exists()


def adapter_of(organization_id: str, carrier: str) -> tuple[str, str | None]:
    """Return which adapter speaks to a carrier for an organization, and under which account.

    Without a CarrierAccount it is that of the same name, else the sandbox where that is on.
    """
    own = CarrierAccount.objects.filter(organization_id=organization_id, carrier__iexact=carrier)
    if account := own.first():
        return account.adapter, account.account or None
    if carrier.lower() in Adapter.values:
        return carrier.lower(), None
    return (Adapter.SANDBOX if settings.CARRIER_SANDBOX else Adapter.MANUAL), None


def label(label_id: str) -> Label | None:
    """Return a label that may be used and whose PDF is here, if there is one of that id."""
    sold = Label.objects.filter(status=Label.Status.BOUGHT).exclude(path="")
    return sold.filter(pk=label_id).first()
