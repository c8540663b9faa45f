"""What payments do when other contexts, or payments themselves, record an event."""

from events.models import EventRecord
from events.reactions import reacts_to
from orders.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderPaid,
    OrderTookPlace,
    OrderUnitsWrittenOff,
)
from payments.events import (
    PaymentDisputeEnded,
    PaymentMismatched,
    PaymentMoved,
    PaymentSucceeded,
    PaymentSurplusReceived,
    RefundFailed,
)
from payments.services import capture, refunds
from returns.events import ReturnRefundDue


@reacts_to(PaymentSucceeded)
@reacts_to(PaymentMoved)
def refund_unneeded_payment(event: PaymentSucceeded | PaymentMoved, about: EventRecord) -> None:
    """The order may have been cancelled before this capture, or paid by a part of it."""
    capture.settle_capture(payment_id=event.payment_id)
    refunds.refund_unneeded_payment(payment_id=event.payment_id)


@reacts_to(OrderTookPlace)
def move_money(event: OrderTookPlace, about: EventRecord) -> None:
    """The money of the replaced order counts for this one."""
    refunds.move_money(order_id=event.order_id)


@reacts_to(PaymentMismatched)
def refund_unneeded_mismatch(event: PaymentMismatched, about: EventRecord) -> None:
    """If the order is cancelled, no operator has to decide: refund the captured amount."""
    refunds.refund_unneeded_payment(payment_id=event.payment_id)


@reacts_to(PaymentSurplusReceived)
def refund_surplus(event: PaymentSurplusReceived, about: EventRecord) -> None:
    """The gateway pays back what is beyond the amount due; of a transfer, an operator decides."""
    refunds.refund_surplus(payment_id=event.payment_id)


@reacts_to(PaymentDisputeEnded)
@reacts_to(RefundFailed)
def record_lost_disputes(event: PaymentDisputeEnded | RefundFailed, about: EventRecord) -> None:
    """Of a lost dispute, the money is gone, also what a failed refund did not pay out."""
    refunds.record_lost_disputes(payment_id=event.payment_id)


@reacts_to(OrderPaid)
@reacts_to(OrderConfirmed)
def abandon_unneeded_payments(event: OrderPaid | OrderConfirmed, about: EventRecord) -> None:
    """The order is paid: stop waiting for its other payments. Otherwise the rest is owed."""
    capture.abandon_unneeded_payments(order_id=event.order_id)


@reacts_to(OrderCancelled)
def refund_cancelled_order(event: OrderCancelled, about: EventRecord) -> None:
    """Refund the captured payments of the order and abandon the others."""
    refunds.refund_cancelled_order(order_id=event.order_id)


@reacts_to(OrderUnitsWrittenOff)
def refund_written_off_units(event: OrderUnitsWrittenOff, about: EventRecord) -> None:
    """Refund the price of units that will never ship."""
    refunds.refund_written_off_units(
        order_id=event.order_id, amount=event.amount, lines=event.lines
    )


@reacts_to(ReturnRefundDue)
def refund_returned_units(event: ReturnRefundDue, about: EventRecord) -> None:
    """Refund the amount that a return has approved."""
    refunds.refund_return(
        order_id=event.order_id,
        return_id=event.return_id,
        amount=event.amount,
        lines=event.lines,
        method=event.refund_method,
    )
