"""Call carriers for the scans of shipments under way; see `config.core.outbound`."""

import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from config.core import outbound
from config.core.unit_of_work import unit_of_work
from shipments import selectors
from shipments.carriers import CarrierTimeout, Scan, TrackingRequest
from shipments.carriers.registry import CARRIERS
from shipments.models import Shipment
from shipments.services import sharing
from shipments.services.lifecycle import apply_scans

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)  # longer than a call takes
BATCH_SIZE = 200  # shipments in one run of the timer


@dataclass(frozen=True)
class Call:
    """A tracking call about a leased shipment."""

    adapter: str
    request: TrackingRequest
    lease: datetime


def poll_due_carriers(*, now: datetime, organization_id: str | None = None) -> int:
    """Make the tracking calls that are due at `now`; return the number of shipments."""
    due = selectors.due_for_tracking(now=now, organization_id=organization_id)
    rows = due.values_list("pk", "organization_id", "adapter", "account")
    return outbound.call_due(
        outbound.in_turns(rows, "organization_id"),
        lambda shipment_id: track_shipment(shipment_id=shipment_id, now=now),
        limit=BATCH_SIZE,
        time_slice=math.inf,  # the timer starts the next run only after a minute
    )


def track_shipment(*, shipment_id: str, now: datetime) -> outbound.Outcome:
    """Call the carrier and record the new scans; return the outcome of the call."""
    if not (call := _lease(shipment_id, now)):
        return "skipped"
    try:
        scans = CARRIERS[call.adapter].track(call.request, now=now)
        _record(call, scans, now)
    except CarrierTimeout as timeout:
        _record(call, [], now, error=str(timeout) or "no response")
        return "no_response"
    except Exception as error:  # a bug, which operators should see
        logger.exception("The tracking call about %s failed", shipment_id)
        _record(call, [], now, error=repr(error))
    return "done"


@unit_of_work()
def _lease(shipment_id: str, now: datetime) -> Call | None:
    shipment = selectors.get_for_update(shipment_id)
    if not shipment.is_callable(now):
        return None
    request, lease = _tracking_request(shipment), shipment.lease(now, LEASE)
    shipment.save()
    return Call(shipment.adapter, request, lease)


def _tracking_request(shipment: Shipment) -> TrackingRequest:
    assert shipment.dispatched_at, "it is under way"
    bought = shipment.bought_label
    address = shipment.order.shipping_address or {}
    return TrackingRequest(
        shipment_id=shipment.id,
        carrier=shipment.carrier,
        service=shipment.service,
        account=shipment.account,
        tracking_number=str(shipment.tracking_number),
        reference=bought.reference if bought else None,
        dispatched_at=shipment.dispatched_at,
        recipient=address.get("name") or address.get("company"),
    )


@unit_of_work()
def _record(call: Call, scans: list[Scan], now: datetime, *, error: str = "") -> None:
    shipment = selectors.get_for_update(call.request.shipment_id)
    sharing.forward(shipment, apply_scans(shipment, scans, now=max(now, timezone.now())))
    if shipment.release(call.lease):
        shipment.schedule_tracking(now, error=error)
    shipment.save()
