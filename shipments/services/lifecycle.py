"""Dispatch and deliver shipments, and apply the carriers' scans.

A scan may arrive by webhook, by a tracking call and through the API, repeatedly and in any order.
Each scan is applied once, and none moves a shipment backwards.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from django.utils import timezone

from config.core.unit_of_work import unit_of_work
from shipments import carriers, selectors
from shipments.exceptions import TooEarly, UnknownTrackingNumber
from shipments.models import Scan, Shipment
from shipments.selectors import CLOCK_SKEW
from shipments.services import sharing

Status = Scan.Status
FINAL = (Status.DELIVERED, Status.LOST, Status.RETURNED_TO_SENDER)


@unit_of_work()
def dispatch_shipment(*, shipment_id: str, estimated_delivery: date | None = None) -> Shipment:
    """Record that the shipment left the warehouse.

    Raises OrderIsCancelled, OrderOnHold, InvalidTransition.
    """
    shipment = selectors.get_for_update(shipment_id)
    is_same = estimated_delivery in (None, shipment.estimated_delivery)
    if shipment.dispatched_at and is_same:
        return shipment
    if not shipment.dispatched_at:
        shipment.order.expect_sendable(shipment)
    shipment.dispatch(estimated_delivery=estimated_delivery, at=timezone.now())
    shipment.save()
    return shipment


@unit_of_work()
def deliver_shipment(
    *,
    shipment_id: str,
    recipient: str | None = None,
    signature: str | None = None,
    delivery_photo_url: str | None = None,
    delivered_at: datetime | None = None,
) -> Shipment:
    """Record the delivery and its proof. Raises TooEarly, InvalidTransition."""
    shipment = selectors.get_for_update(shipment_id)
    if delivered_at and shipment.dispatched_at:
        _expect_after_dispatch(shipment, delivered_at)
        delivered_at = max(delivered_at, shipment.dispatched_at)
    proof = (recipient, signature, delivery_photo_url)
    is_same = proof == (shipment.recipient, shipment.signature, shipment.delivery_photo_url)
    if shipment.delivered_at and is_same and delivered_at in (None, shipment.delivered_at):
        return shipment
    if shipment.status == Status.RETURNED_TO_SENDER:
        shipment.revoke_return()
    delivered_at = delivered_at or timezone.now()
    shipment.deliver(
        recipient=recipient,
        signature=signature,
        delivery_photo_url=delivery_photo_url,
        at=delivered_at,
    )
    delivery = carriers.Scan(
        scan_id=f"delivery {shipment.id}",
        status="delivered",
        occurred_at=delivered_at,
        recipient=recipient,
    )
    sharing.forward(shipment, [delivery])
    shipment.save()
    return shipment


@unit_of_work()
def record_scan(
    *,
    shipment_id: str,
    status: carriers.ScanStatus,
    occurred_at: datetime | None = None,
    scan_id: str | None = None,
    location: str | None = None,
    description: str | None = None,
    recipient: str | None = None,
    tracking_number: str | None = None,
) -> Shipment:
    """Record a scan of a shipment that has a label or was dispatched.

    `tracking_number` is that of one of several parcels. Raises TooEarly, UnknownTrackingNumber,
    InvalidTransition.
    """
    shipment = selectors.get_for_update(shipment_id)
    if tracking_number and tracking_number not in shipment.tracking_numbers:
        raise UnknownTrackingNumber(
            f"{shipment.id} has no tracking number {tracking_number}: it has "
            f"{', '.join(shipment.tracking_numbers) or 'none'}."
        )
    if shipment.status == Shipment.Status.CREATED:
        shipment.mark_collected(at=timezone.now())  # raises InvalidTransition
    if occurred_at and shipment.status == Shipment.Status.LABEL_CREATED:
        _expect_after(occurred_at, shipment.created_at, f"{shipment.id} was created")
    if occurred_at and shipment.dispatched_at:
        _expect_after_dispatch(shipment, occurred_at)
    scan = carriers.Scan(
        scan_id=scan_id,
        status=status,
        occurred_at=occurred_at or timezone.now(),
        location=location,
        description=description,
        recipient=recipient,
        tracking_number=tracking_number,
    )
    sharing.forward(shipment, apply_scans(shipment, [scan], now=timezone.now()))
    shipment.save()
    return shipment


@unit_of_work()
def report_scan(*, shipment_id: str, status: carriers.ScanStatus, **scan: Any) -> Shipment:
    """Record a scan that an operator enters, and raise an error if it would change nothing.

    Raises TooEarly, UnknownTrackingNumber, OrderIsCancelled, InvalidTransition.
    """
    shipment = selectors.get_for_update(shipment_id)
    if shipment.status == status and status in FINAL:
        return shipment
    if shipment.status == Shipment.Status.LABEL_CREATED:
        shipment.order.expect_not_cancelled(shipment)
    elif not (shipment.is_under_way or _ends_loss(shipment, status)):
        shipment.mark_in_transit(scan=None)  # raises InvalidTransition
    return record_scan(shipment_id=shipment_id, status=status, **scan)


def apply_scans(
    shipment: Shipment, scans: Iterable[carriers.Scan], *, now: datetime
) -> list[carriers.Scan]:
    """Add the new scans to a locked shipment, oldest first, and apply those that count.

    Return the new ones, for the shipments of other orders in the same box.

    Carriers' clocks may be wrong: a scan in the future is dated `now`, a dispatch is never before
    the creation, and a delivery never before the dispatch. A scan that is older than the dispatch
    by more than that is kept, but does not count: carriers reuse their numbers.
    """
    known, new = {scan.scan_id for scan in shipment.scans}, []
    is_one = len(shipment.tracking_numbers) < 2
    for received in sorted(scans, key=lambda each: each.occurred_at):
        number = None if is_one else received.tracking_number
        if (scan_id := _scan_id(received, number)) in known:
            continue
        known.add(scan_id)
        received = replace(received, scan_id=scan_id, occurred_at=min(received.occurred_at, now))
        new.append(received)
        status = _status_of_all(shipment, received.status, number)
        scan = Scan(
            shipment=shipment,
            scan_id=scan_id,
            status=received.status,
            occurred_at=received.occurred_at,
            location=received.location and received.location[:200],
            description=received.description and received.description[:500],
            recorded_at=now,
            counts=_counts(shipment, received),
            tracking_number=number,
        )
        shipment.scans.append(scan)
        shipment.scans.sort(key=lambda each: each.occurred_at)
        shipment.save_part(scan)
        if scan.counts:
            _apply(shipment, scan, status, received.recipient and received.recipient[:200])
    return new


def _status_of_all(shipment: Shipment, status: str, number: str | None) -> str:
    """Return what the scan of one of several parcels means for the shipment.

    It is delivered, lost or returned when all of its parcels are.
    """
    if number is None or status not in FINAL or shipment.is_all(status, number=number):
        return status
    return Status.IN_TRANSIT if status == Status.DELIVERED else Status.EXCEPTION


def _expect_after_dispatch(shipment: Shipment, at: datetime) -> None:
    assert shipment.dispatched_at, "it is dispatched"
    _expect_after(at, shipment.dispatched_at, f"{shipment.id} was dispatched")


def _expect_after(at: datetime, earliest: datetime, what: str) -> None:
    if at < earliest - CLOCK_SKEW:
        raise TooEarly(
            f"{what} at {earliest:%Y-%m-%d %H:%M} UTC, which is after the given time, "
            f"{at:%Y-%m-%d %H:%M} UTC."
        )


def _scan_id(scan: carriers.Scan, number: str | None) -> str:
    """Return the carrier's id, or else a hash of time, place, status and parcel."""
    if scan.scan_id is not None:
        return scan.scan_id[:255]
    at = scan.occurred_at.astimezone(UTC).isoformat(timespec="seconds")
    parts = [at, str(scan.location), scan.status, *([number] if number else [])]
    return sha256("|".join(parts).encode()).hexdigest()


def _counts(shipment: Shipment, scan: carriers.Scan) -> bool:
    """Return whether a new scan changes the shipment."""
    if scan.status == "pre_transit":
        return False
    if shipment.status == Shipment.Status.LABEL_CREATED:
        return not shipment.order.is_cancelled()
    if shipment.dispatched_at and scan.occurred_at < shipment.dispatched_at - CLOCK_SKEW:
        return False
    if _ends_loss(shipment, scan.status):
        return True
    is_old = shipment.last_scan_at is not None and scan.occurred_at < shipment.last_scan_at
    return shipment.is_under_way and (scan.status in FINAL or not is_old)


def _ends_loss(shipment: Shipment, status: str) -> bool:
    return shipment.status == Status.LOST and status in (
        Status.DELIVERED,
        Status.RETURNED_TO_SENDER,
    )


def _apply(shipment: Shipment, scan: Scan, status: str, recipient: str | None) -> None:
    """Apply a scan that counts. `status` is what it means for the whole shipment."""
    if shipment.status == Shipment.Status.LABEL_CREATED:
        shipment.mark_collected(at=max(scan.occurred_at, shipment.created_at))
    if shipment.status == Status.LOST and not _ends_loss(shipment, status):
        return  # only one of several parcels turned up
    match status:
        case Status.IN_TRANSIT:
            shipment.mark_in_transit(scan=scan)
        case Status.EXCEPTION:
            shipment.mark_exception(scan=scan)
        case Status.DELIVERED:
            shipment.record_scan(scan)
            assert shipment.dispatched_at, "it is under way"
            shipment.deliver(
                recipient=recipient,
                signature=None,
                delivery_photo_url=None,
                at=max(shipment.last_scan_at or scan.occurred_at, shipment.dispatched_at),
            )
        case Status.LOST | Status.RETURNED_TO_SENDER:
            if shipment.is_under_way and shipment.status != Shipment.Status.EXCEPTION:
                shipment.mark_exception(scan=scan)
            is_lost = status == Status.LOST
            end = shipment.mark_lost if is_lost else shipment.mark_returned_to_sender
            end(scan=scan)
