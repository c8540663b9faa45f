"""What payments' facts make returns do."""

from events.models import Event
from events.reactions import reacts_to
from payments.events import RefundFailed, RefundFellShort, RefundSucceeded
from returns import services


@reacts_to(RefundSucceeded)
def complete_refunded_return(fact: RefundSucceeded, about: Event) -> None:
    """With the last of what was asked for, the customer has the money."""
    services.settle_refund(return_id=fact.cause)


@reacts_to(RefundFailed)
def free_failed_refund(fact: RefundFailed, about: Event) -> None:
    """What could not go back may be asked for again."""
    services.settle_refund(return_id=fact.cause)


@reacts_to(RefundFellShort)
def forgo_missing_money(fact: RefundFellShort, about: Event) -> None:
    """Somebody has given the money back before it was asked for here."""
    services.settle_refund(return_id=fact.cause, fell_short=fact.amount)
