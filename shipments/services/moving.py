"""How a parcel moves: what operators record, and what carriers have seen.

A carrier's scan comes by webhook, by polling and by the API's route, more than once and in any
order. Each counts once, and none moves a parcel backwards.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils import timezone

from config.core.exceptions import DomainError
from shipments import carriers
from shipments.models import Scan, Shipment
from shipments.services.locks import lock_shipment, save

Status = Scan.Status
ENDS = (Status.DELIVERED, Status.LOST, Status.RETURNED_TO_SENDER)
SKEW = timedelta(minutes=10)  # of the clocks of those who tell


class TooEarly(DomainError):
    """It cannot have left before it was packed, nor arrived before it left: check the time."""

    code = "too_early"


@transaction.atomic
def dispatch_shipment(*, shipment_id: str, estimated_delivery: date | None = None) -> Shipment:
    """Record that it has left the warehouse. Raises OrderIsCancelled, InvalidTransition."""
    shipment = lock_shipment(shipment_id)
    is_same = estimated_delivery in (None, shipment.estimated_delivery)
    if shipment.dispatched_at and is_same:
        return shipment
    if not shipment.dispatched_at:
        shipment.order.expect_not_cancelled(shipment)
    shipment.dispatch(estimated_delivery=estimated_delivery, at=timezone.now())
    save(shipment)
    return shipment


@transaction.atomic
def deliver_shipment(
    *,
    shipment_id: str,
    recipient: str | None = None,
    signature: str | None = None,
    delivery_photo_url: str | None = None,
    delivered_at: datetime | None = None,
) -> Shipment:
    """Record that it has arrived, with the proof of it. Raises TooEarly, InvalidTransition."""
    shipment = lock_shipment(shipment_id)
    if delivered_at and (left := shipment.dispatched_at):
        _expect(delivered_at, left, f"{shipment.id} left at {left:%Y-%m-%d %H:%M} UTC")
        delivered_at = max(delivered_at, left)
    proof = (recipient, signature, delivery_photo_url)
    is_same = proof == (shipment.recipient, shipment.signature, shipment.delivery_photo_url)
    if shipment.delivered_at and is_same and delivered_at in (None, shipment.delivered_at):
        return shipment
    shipment.deliver(
        recipient=recipient,
        signature=signature,
        delivery_photo_url=delivery_photo_url,
        at=delivered_at or timezone.now(),
    )
    save(shipment)
    return shipment


@transaction.atomic
def record_scan(
    *,
    shipment_id: str,
    status: carriers.ScanStatus,
    occurred_at: datetime | None = None,
    scan_id: str | None = None,
    location: str | None = None,
    description: str | None = None,
    recipient: str | None = None,
) -> Shipment:
    """Record what somebody has seen of a parcel that has a label or is under way.

    Raises TooEarly, InvalidTransition.
    """
    shipment = lock_shipment(shipment_id)
    if shipment.status == Shipment.Status.CREATED:
        shipment.be_collected(at=timezone.now())  # which is refused, with what is allowed
    if occurred_at and shipment.status == Shipment.Status.LABEL_CREATED:
        made = shipment.created_at
        _expect(occurred_at, made, f"{shipment.id} was made at {made:%Y-%m-%d %H:%M} UTC")
    if occurred_at and status == "delivered" and (left := shipment.dispatched_at):
        _expect(occurred_at, left, f"{shipment.id} left at {left:%Y-%m-%d %H:%M} UTC")
    seen = carriers.Scan(
        scan_id=scan_id,
        status=status,
        occurred_at=occurred_at or timezone.now(),
        location=location,
        description=description,
        recipient=recipient,
    )
    take_scans(shipment, [seen], now=timezone.now())
    save(shipment)
    return shipment


@transaction.atomic
def report_scan(*, shipment_id: str, status: carriers.ScanStatus, **seen: Any) -> Shipment:
    """Record what an operator has seen, who is to hear it where that changes nothing any more.

    Raises TooEarly, OrderIsCancelled, InvalidTransition.
    """
    shipment = lock_shipment(shipment_id)
    if shipment.status == status and status in ENDS:
        return shipment
    if shipment.status == Shipment.Status.LABEL_CREATED:
        shipment.order.expect_not_cancelled(shipment)
    elif not shipment.is_under_way:
        shipment.travel(scan=None)  # which is refused, with what is allowed
    return record_scan(shipment_id=shipment_id, status=status, **seen)


def take_scans(shipment: Shipment, seen: Iterable[carriers.Scan], *, now: datetime) -> None:
    """Take scans of a shipment that is locked, the oldest first.

    One that comes too late to mean anything is kept, and changes nothing. Carriers' clocks may be
    wrong: nothing is seen in the future, leaves before it is packed, or arrives before it leaves.
    """
    known = {scan.scan_id for scan in shipment.sightings}
    for told in sorted(seen, key=lambda each: each.occurred_at):
        if (scan_id := _scan_id(told)) in known:
            continue
        known.add(scan_id)
        told = replace(told, occurred_at=min(told.occurred_at, now))
        scan = Scan(
            shipment=shipment,
            scan_id=scan_id,
            status=told.status,
            occurred_at=told.occurred_at,
            location=told.location and told.location[:200],
            description=told.description and told.description[:500],
            recorded_at=now,
            counts=_counts(shipment, told),
        )
        shipment.sightings.append(scan)
        shipment.save_part(scan)
        if scan.counts:
            _move(shipment, scan, told.recipient and told.recipient[:200])


def _expect(at: datetime, earliest: datetime, why: str) -> None:
    if at < earliest - SKEW:
        raise TooEarly(f"{why}: it cannot have been seen at {at:%Y-%m-%d %H:%M} UTC.")


def _scan_id(told: carriers.Scan) -> str:
    """Return the carrier's id, or else what tells one scan from another."""
    if told.scan_id is not None:
        return told.scan_id[:255]
    at = told.occurred_at.astimezone(UTC).isoformat(timespec="seconds")
    return sha256(f"{at}|{told.location}|{told.status}".encode()).hexdigest()


def _counts(shipment: Shipment, told: carriers.Scan) -> bool:
    """Whether a new scan moves the shipment."""
    if told.status == "pre_transit":
        return False
    if shipment.status == Shipment.Status.LABEL_CREATED:
        return not shipment.order.is_cancelled()
    is_old = shipment.last_scan_at is not None and told.occurred_at < shipment.last_scan_at
    return shipment.is_under_way and (told.status in ENDS or not is_old)


def _move(shipment: Shipment, scan: Scan, recipient: str | None) -> None:
    if shipment.status == Shipment.Status.LABEL_CREATED:
        shipment.be_collected(at=max(scan.occurred_at, shipment.created_at))
    match scan.status:
        case Status.IN_TRANSIT:
            shipment.travel(scan=scan)
        case Status.EXCEPTION:
            shipment.meet_exception(scan=scan)
        case Status.DELIVERED:
            shipment.see(scan)
            assert shipment.dispatched_at, "it is under way"
            shipment.deliver(
                recipient=recipient,
                signature=None,
                delivery_photo_url=None,
                at=max(scan.occurred_at, shipment.dispatched_at),
            )
        case Status.LOST | Status.RETURNED_TO_SENDER:
            if shipment.status != Shipment.Status.EXCEPTION:
                shipment.meet_exception(scan=scan)
            end = shipment.be_lost if scan.status == Status.LOST else shipment.come_back
            end(scan=scan)
