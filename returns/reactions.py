"""What other contexts' events make returns do."""

from events.models import EventRecord
from events.reactions import reacts_to
from payments.events import RefundFailed, RefundFellShort, RefundSucceeded
from returns import services


@reacts_to(RefundSucceeded)
def complete_refunded_return(event: RefundSucceeded, about: EventRecord) -> None:
    """With the last of what was asked for, the customer has the money."""
    services.settle_refund(return_id=event.cause)


@reacts_to(RefundFailed)
def free_failed_refund(event: RefundFailed, about: EventRecord) -> None:
    """What could not go back may be asked for again."""
    services.settle_refund(return_id=event.cause)


@reacts_to(RefundFellShort)
def forgo_missing_money(event: RefundFellShort, about: EventRecord) -> None:
    """Somebody has given the money back before it was asked for here."""
    services.settle_refund(return_id=event.cause, fell_short=event.amount)
