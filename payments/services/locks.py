"""One order, one lock: whoever changes a payment holds its order first."""

from typing import Any

import orders.selectors
from config.core import outbound
from payments import selectors
from payments.models import Payment

BOOKKEEPING = (
    *outbound.UPDATE_FIELDS,
    "client_secret",
    "closed_at",
    "gateway_payment_id",
    "keeps_order",
)


def lock_payment(payment_id: str) -> Payment:
    """Return a payment of whose order nobody else changes anything until the transaction ends."""
    order_id = Payment.objects.values_list("order_id", flat=True).get(pk=payment_id)
    order = orders.selectors.get_for_update(order_id)
    payment = selectors.with_parts().select_for_update(no_key=True).get(pk=payment_id)
    payment.order = order
    return payment


def lock_payments(order: Any) -> list[Payment]:
    """Return the payments of an order that is locked, oldest first."""
    payments = selectors.with_parts().filter(order=order).order_by("id")
    locked = list(payments.select_for_update(no_key=True))
    for payment in locked:
        payment.order = order
    return locked


def save(payment: Payment) -> None:
    """Save a payment; `payments.signals` enqueues the call of its gateway.

    What nobody is told of is no update: who asks for payments `updated_since` need not see it.
    """
    payment.save(update_fields=None if payment.has_pending_events else BOOKKEEPING)
