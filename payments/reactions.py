"""What other contexts' events make payments do."""

from events.models import EventRecord
from events.reactions import reacts_to
from orders.events import OrderCancelled, OrderConfirmed, OrderUnitsWrittenOff
from payments import services
from payments.events import PaymentMismatched, PaymentSucceeded
from payments.models import Refund
from returns.events import ReturnRefundDue


@reacts_to(PaymentSucceeded)
def refund_unwanted_money(event: PaymentSucceeded, about: EventRecord) -> None:
    """The order may have been cancelled, or paid, before this money came."""
    services.refund_unwanted(payment_id=event.payment_id)


@reacts_to(PaymentMismatched)
def refund_unwanted_mismatch(event: PaymentMismatched, about: EventRecord) -> None:
    """For a cancelled order nobody has to decide."""
    services.refund_unwanted(payment_id=event.payment_id)


@reacts_to(OrderConfirmed)
def abandon_unneeded_payments(event: OrderConfirmed, about: EventRecord) -> None:
    """What else was asked for the order must not bring its money a second time."""
    services.abandon_unneeded(order_id=event.order_id)


@reacts_to(OrderCancelled)
def refund_cancelled_order(event: OrderCancelled, about: EventRecord) -> None:
    """What was captured goes back; what is still open is given up."""
    services.refund_cancelled_order(order_id=event.order_id)


@reacts_to(OrderUnitsWrittenOff)
def refund_written_off_units(event: OrderUnitsWrittenOff, about: EventRecord) -> None:
    """What was paid for units that never ship goes back."""
    reason = Refund.Reason.UNITS_WRITTEN_OFF
    services.refund_order(order_id=event.order_id, amount=event.amount, reason=reason)


@reacts_to(ReturnRefundDue)
def refund_returned_units(event: ReturnRefundDue, about: EventRecord) -> None:
    """What is owed for units that have come back goes back."""
    services.refund_order(
        order_id=event.order_id,
        amount=event.amount,
        reason=Refund.Reason.CUSTOMER_RETURN,
        method=event.refund_method,
        cause=event.return_id,
    )
