"""Asking carriers where parcels are, for what they do not tell of their own accord."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from shipments import selectors
from shipments.carriers import NoAnswer, Scan, Tracked
from shipments.models import Shipment
from shipments.services.carriers import CARRIERS
from shipments.services.locks import lock_shipment, save
from shipments.services.moving import take_scans

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=60)  # longer than a call may take
AT_ONCE = 200  # shipments in one run of the timer; the next one goes on
LOOKED_AT = 5_000  # shipments, of which some may have to be left


def poll_due_carriers(*, now: datetime, organization_id: str | None = None) -> int:
    """Ask about the shipments that are due at `now`; return about how many.

    An account of which no answer comes is left alone until the next run.
    """
    done, silent = 0, set()
    due = selectors.to_track(now=now, organization_id=organization_id)
    for shipment_id, *where in due.values_list("pk", "adapter", "account")[:LOOKED_AT]:
        if tuple(where) in silent:
            continue
        try:
            if not track_shipment(shipment_id=shipment_id, now=now):
                silent.add(tuple(where))
        except Exception:
            logger.exception("A carrier could not be asked about %s", shipment_id)
        else:
            done += 1
        if done == AT_ONCE:
            break
    return done


def track_shipment(*, shipment_id: str, now: datetime) -> bool:
    """Ask where a shipment is at `now`, and record what is new; return False if no answer came.

    What somebody else is asking is left.
    """
    if not (claimed := _claim(shipment_id, now)):
        return True
    adapter, tracked = claimed
    try:
        _record(shipment_id, CARRIERS[adapter].track(tracked, now=now), now)
    except NoAnswer as silence:
        _record(shipment_id, [], now, error=str(silence) or "no answer")
        return False
    except Exception as error:  # a mistake of ours, which operators are to see
        logger.exception("The carrier of %s could not be asked where it is", shipment_id)
        _record(shipment_id, [], now, error=repr(error))
    return True


@transaction.atomic
def _claim(shipment_id: str, now: datetime) -> tuple[str, Tracked] | None:
    shipment = lock_shipment(shipment_id)
    if not (shipment.track_at and shipment.track_at <= now):
        return None
    shipment.track_at = now + CLAIM
    save(shipment)
    return shipment.adapter, _tracked(shipment)


def _tracked(shipment: Shipment) -> Tracked:
    assert shipment.dispatched_at, "it is under way"
    sold = shipment.sold_label
    address = shipment.order.shipping_address or {}
    return Tracked(
        shipment_id=shipment.id,
        carrier=shipment.carrier,
        service=shipment.service,
        account=shipment.account,
        tracking_number=str(shipment.tracking_number),
        reference=sold.reference if sold else None,
        dispatched_at=shipment.dispatched_at,
        addressee=address.get("name"),
    )


@transaction.atomic
def _record(shipment_id: str, scans: list[Scan], now: datetime, *, error: str = "") -> None:
    shipment = lock_shipment(shipment_id)
    take_scans(shipment, scans, now=max(now, timezone.now()))
    shipment.plan_tracking(now, error=error)
    save(shipment)
