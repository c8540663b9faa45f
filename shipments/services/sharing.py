"""Orders in one box: their shipments share a tracking number, and the scans of it.

A command holds the lock of one order. So the scans for the others are stored in the inbox of the
carriers' webhooks, in the same transaction, and applied in one of their own.
"""

from collections.abc import Iterable, Sequence

from django.utils import timezone

from config.core import inbox
from config.core.locks import lock
from shipments import selectors
from shipments.carriers import Scan, TrackingUpdate
from shipments.exceptions import TrackingNumberTaken
from shipments.models import CarrierWebhook, ParcelNumber, Shipment


def expect_free(shipment: Shipment, numbers: Sequence[str], *, may_share: bool) -> list[Shipment]:
    """Return the shipments under way with which a shipment shares one of the numbers.

    Other orders of the same customer to the same address are in one box. Otherwise, and in the same
    order, the number may be a mistake, unless it `may_share`. Raises TrackingNumberTaken.
    """
    for number in sorted(numbers):
        lock(f"{number} of {shipment.organization_id}")
    others = list(selectors.others_with(shipment, numbers))
    for other in others:
        if not (may_share or _is_for_the_same(shipment, other)):
            taken = next(each for each in numbers if each in other.tracking_numbers)
            raise TrackingNumberTaken(
                f"{other.id} of {other.order.number}, which is under way with {shipment.carrier}, "
                f"has the tracking number {taken}. If both are in one box, send “shared”: true."
            )
    return others


def join(shipment: Shipment, others: Sequence[Shipment]) -> None:
    """Record which numbers a saved shipment shares with the others."""
    shared = {
        (each.pk, number)
        for other in others
        for number in shipment.tracking_numbers
        if number in other.tracking_numbers
        for each in (other, shipment)
    }
    ParcelNumber.objects.bulk_create(
        [ParcelNumber(shipment_id=pk, tracking_number=n, is_shared=True) for pk, n in shared],
        update_conflicts=True,
        update_fields=["is_shared"],
        unique_fields=["shipment", "tracking_number"],
    )


def _is_for_the_same(shipment: Shipment, other: Shipment) -> bool:
    def recipient(order: object) -> tuple[object, ...]:
        names = ("customer_id", "customer_email", "shipping_address")
        return tuple(getattr(order, name) for name in names)

    ours, theirs = shipment.order, other.order
    is_known = bool(ours.shipping_address and (ours.customer_id or ours.customer_email))
    return is_known and ours.pk != theirs.pk and recipient(ours) == recipient(theirs)


def forward(shipment: Shipment, scans: Iterable[Scan]) -> None:
    """Store new scans for the shipments of other orders in the same box, if there are any."""
    if not shipment.shares_number:
        return
    shared = ParcelNumber.objects.filter(shipment_id=shipment.pk, is_shared=True)
    numbers = list(shared.values_list("tracking_number", flat=True))
    for scan in scans:
        for number in numbers:
            if scan.tracking_number in (None, number) or len(shipment.tracking_numbers) == 1:
                update = TrackingUpdate(
                    event_id=f"{shipment.id} {number} {scan.scan_id}"[: inbox.LONGEST_ID],
                    tracking_number=number,
                    reference=None,
                    carrier=None,
                    scans=(scan,),
                    shared_by=shipment.id,
                )
                inbox.store(CarrierWebhook, source="shared", event=update, now=timezone.now())
