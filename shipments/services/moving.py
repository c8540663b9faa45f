"""How a parcel moves: what operators record, and what carriers have seen.

A carrier's scan comes by webhook, by polling and by the API's route, more than once and in any
order. Each counts once, and none moves a parcel backwards.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from shipments import carriers
from shipments.models import Scan, Shipment
from shipments.services.locks import expect_order, is_order_cancelled, lock_shipment, save

Status = Scan.Status
ENDS = (Status.DELIVERED, Status.LOST, Status.RETURNED_TO_SENDER)


@transaction.atomic
def dispatch_shipment(*, shipment_id: str, estimated_delivery: date | None = None) -> Shipment:
    """Record that it has left the warehouse. Raises OrderEnded, InvalidTransition."""
    shipment = lock_shipment(shipment_id)
    is_same = estimated_delivery in (None, shipment.estimated_delivery)
    if shipment.dispatched_at and is_same:
        return shipment
    if not shipment.dispatched_at:
        expect_order(shipment)
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
    """Record that it has arrived, with the proof of it. Raises InvalidTransition."""
    shipment = lock_shipment(shipment_id)
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

    Raises InvalidTransition.
    """
    shipment = lock_shipment(shipment_id)
    if shipment.status == Shipment.Status.CREATED:
        shipment.be_collected(at=timezone.now())  # which is refused, with what is allowed
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


def take_scans(shipment: Shipment, seen: Iterable[carriers.Scan], *, now: datetime) -> None:
    """Take scans of a shipment that is locked, the oldest first.

    One that comes too late to mean anything is kept, and changes nothing.
    """
    known = {scan.scan_id for scan in shipment.sightings}
    for told in sorted(seen, key=lambda each: each.occurred_at):
        if (scan_id := _scan_id(told)) in known:
            continue
        known.add(scan_id)
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
        shipment.part(scan)
        if scan.counts:
            _move(shipment, scan, told.recipient and told.recipient[:200])


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
        return not is_order_cancelled(shipment)
    is_old = shipment.last_scan_at is not None and told.occurred_at < shipment.last_scan_at
    return shipment.is_under_way and (told.status in ENDS or not is_old)


def _move(shipment: Shipment, scan: Scan, recipient: str | None) -> None:
    if shipment.status == Shipment.Status.LABEL_CREATED:
        shipment.be_collected(at=scan.occurred_at)
    match scan.status:
        case Status.IN_TRANSIT:
            shipment.travel(scan=scan)
        case Status.EXCEPTION:
            shipment.meet_exception(scan=scan)
        case Status.DELIVERED:
            shipment.see(scan)
            shipment.deliver(
                recipient=recipient, signature=None, delivery_photo_url=None, at=scan.occurred_at
            )
        case Status.LOST | Status.RETURNED_TO_SENDER:
            if shipment.status != Shipment.Status.EXCEPTION:
                shipment.meet_exception(scan=scan)
            end = shipment.be_lost if scan.status == Status.LOST else shipment.come_back
            end(scan=scan)
