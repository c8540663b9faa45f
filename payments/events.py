"""What payments tell other services, in the contract's order."""

from events.schema import Event, Id, Money, Timestamp, event


@event("payment.pending")
class PaymentPending(Event):
    """The gateway has accepted an attempt and waits for the customer."""

    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    payment_method: str
    gateway_payment_id: str | None


@event("payment.succeeded", moment="paid_at")
class PaymentSucceeded(Event):
    """Money was captured; once per capture."""

    payment_id: Id
    order_id: Id
    amount: Money
    paid_at: Timestamp
    payment_method: str
    card_last4: str | None


@event("payment.failed")
class PaymentFailed(Event):
    """The gateway declined an attempt."""

    payment_id: Id
    order_id: Id
    error_code: str
    error_message: str
    retries_remaining: int


@event("payment.refunded", moment="refunded_at")
class PaymentRefunded(Event):
    """The gateway has paid this amount back."""

    payment_id: Id
    order_id: Id
    refund_amount: Money
    refund_reason: str
    refunded_at: Timestamp
