"""What other contexts' facts make shipments do, the calls of carriers, and the timers."""

from celery import shared_task

from config.core.timers import moment
from shipments import services


@shared_task
def call_carrier(shipment_id: str) -> None:
    """Ask a carrier what is wanted of it now."""
    services.call_carrier(shipment_id=shipment_id)


@shared_task
def track_shipment(shipment_id: str) -> None:
    """Ask a carrier where a parcel is now."""
    services.track_shipment(shipment_id=shipment_id, now=moment(None))


@shared_task
def call_carriers(now: str | None = None) -> int:
    """Ask carriers what nobody has asked, or they have not answered; `now` is ISO 8601."""
    return services.call_due_carriers(now=moment(now))


@shared_task
def poll_carriers(now: str | None = None, organization_id: str | None = None) -> int:
    """Ask carriers where the parcels are that are under way; `now` is ISO 8601."""
    return services.poll_due_carriers(now=moment(now), organization_id=organization_id)


@shared_task
def process_pending_webhooks(now: str | None = None) -> int:
    """Apply stored webhooks whose shipment was unknown; `now` is ISO 8601."""
    return services.process_pending_webhooks(now=moment(now))
