"""What returns do when other contexts record an event."""

from events.models import EventRecord
from events.reactions import reacts_to
from payments.events import RefundFailed, RefundFellShort, RefundSucceeded
from returns import services
from shipments.events import ShipmentReturnedToSender, ShipmentReturnRevoked


@reacts_to(ShipmentReturnedToSender)
def expect_parcel(event: ShipmentReturnedToSender, about: EventRecord) -> None:
    """Open a return, so that a warehouse records what it receives and in which condition."""
    services.expect_parcel(shipment_id=event.shipment_id)


@reacts_to(ShipmentReturnRevoked)
def cancel_delivered_parcel(event: ShipmentReturnRevoked, about: EventRecord) -> None:
    """Expect nothing of a parcel that was delivered after all."""
    services.cancel_delivered_parcel(shipment_id=event.shipment_id)


@reacts_to(RefundSucceeded)
def complete_refunded_return(event: RefundSucceeded, about: EventRecord) -> None:
    """Complete the return once all its refunds have succeeded."""
    services.settle_refund(return_id=event.cause)


@reacts_to(RefundFailed)
def release_failed_refund(event: RefundFailed, about: EventRecord) -> None:
    """Let the failed amount be requested again."""
    services.settle_refund(return_id=event.cause)


@reacts_to(RefundFellShort)
def reduce_refund(event: RefundFellShort, about: EventRecord) -> None:
    """Reduce the request by what was refunded elsewhere before."""
    services.settle_refund(return_id=event.cause, missing_amount=event.amount)
