"""Celery tasks: calls to carriers, and the timers. `now` of a timer is ISO 8601, for tests."""

from celery import shared_task

from config.core import outbound
from config.core.timers import moment, when_due
from shipments import selectors
from shipments.services import label_purchase, tracking, webhooks


@shared_task
def call_carrier(shipment_id: str, organization_id: str) -> None:
    """Make the due calls about a shipment's labels.

    While the organization has no free slot, they are left to `call_carriers`.
    """
    with outbound.slot(organization_id) as is_free:
        if is_free:
            label_purchase.call_carrier(shipment_id=shipment_id)


@shared_task
def track_shipment(shipment_id: str, organization_id: str) -> None:
    """Call the carrier for the scans of a shipment.

    While the organization has no free slot, it is left to `poll_carriers`.
    """
    with outbound.slot(organization_id) as is_free:
        if is_free:
            tracking.track_shipment(shipment_id=shipment_id, now=moment(None))


@when_due(lambda now: selectors.due_labels(now=now))
@shared_task
def call_carriers(now: str | None = None) -> int:
    """Make the due calls about labels that no request made, or that had no result."""
    return label_purchase.call_due_carriers(now=moment(now))


@shared_task
def poll_carriers(now: str | None = None, organization_id: str | None = None) -> int:
    """Call carriers for the scans of the shipments under way."""
    return tracking.poll_due_carriers(now=moment(now), organization_id=organization_id)


@shared_task
def process_pending_webhooks(now: str | None = None) -> int:
    """Apply the stored scans of shared numbers, and webhooks that matched no shipment."""
    return webhooks.process_pending_webhooks(now=moment(now))
