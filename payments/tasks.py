"""What other contexts' facts make payments do, the calls of gateways, and the timers."""

from celery import shared_task

from events.models import Event
from events.reactions import reacts_to
from events.timers import moment
from orders.events import OrderCancelled, OrderConfirmed, OrderUnitsWrittenOff
from payments import services
from payments.events import PaymentMismatched, PaymentSucceeded
from payments.models import Refund
from returns.events import ReturnRefundDue


@reacts_to(PaymentSucceeded)
def refund_unwanted_money(fact: PaymentSucceeded, about: Event) -> None:
    """The order may have been cancelled, or paid, before this money came."""
    services.refund_unwanted(payment_id=fact.payment_id)


@reacts_to(PaymentMismatched)
def refund_unwanted_mismatch(fact: PaymentMismatched, about: Event) -> None:
    """For a cancelled order nobody has to decide."""
    services.refund_unwanted(payment_id=fact.payment_id)


@reacts_to(OrderConfirmed)
def abandon_unneeded_payments(fact: OrderConfirmed, about: Event) -> None:
    """What else was asked for the order must not bring its money a second time."""
    services.abandon_unneeded(order_id=fact.order_id)


@reacts_to(OrderCancelled)
def refund_cancelled_order(fact: OrderCancelled, about: Event) -> None:
    """What was captured goes back; what is still open is given up."""
    services.refund_cancelled_order(order_id=fact.order_id)


@reacts_to(OrderUnitsWrittenOff)
def refund_written_off_units(fact: OrderUnitsWrittenOff, about: Event) -> None:
    """What was paid for units that never ship goes back."""
    reason = Refund.Reason.UNITS_WRITTEN_OFF
    services.refund_order(order_id=fact.order_id, amount=fact.amount, reason=reason)


@reacts_to(ReturnRefundDue)
def refund_returned_units(fact: ReturnRefundDue, about: Event) -> None:
    """What is owed for units that have come back goes back."""
    services.refund_order(
        order_id=fact.order_id,
        amount=fact.amount,
        reason=Refund.Reason.CUSTOMER_RETURN,
        method=fact.refund_method,
        cause=fact.return_id,
    )


@shared_task
def call_gateway(payment_id: str) -> None:
    """Ask a gateway what is wanted of it now."""
    services.call_gateway(payment_id=payment_id)


@shared_task
def call_gateways(now: str | None = None) -> int:
    """Ask gateways what nobody has asked, or they have not answered; `now` is ISO 8601."""
    return services.call_due_gateways(now=moment(now))


@shared_task
def handle_kept_webhooks(now: str | None = None) -> int:
    """Try again what came about payments that nobody knew; `now` is ISO 8601."""
    return services.handle_kept_webhooks(now=moment(now))
