"""What payments tell other services, in the contract's order."""

from typing import Annotated, Literal

from msgspec import Meta

from events.schema import Event, Id, Money, Timestamp, event

PaymentMethod = Literal["stripe", "manual", "sandbox"]


@event("payment.pending")
class PaymentPending(Event):
    """The gateway has accepted an attempt and waits for the customer; once per attempt."""

    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    payment_method: PaymentMethod
    gateway_payment_id: Annotated[str | None, Meta(description="Null for `manual`.")]


@event("payment.succeeded", moment="paid_at")
class PaymentSucceeded(Event):
    """Money was captured; once per capture."""

    payment_id: Id
    order_id: Id
    amount: Money
    paid_at: Timestamp
    payment_method: PaymentMethod
    card_last4: Annotated[str | None, Meta(description="Null for anything but a card.")]


@event("payment.failed")
class PaymentFailed(Event):
    """The gateway declined an attempt."""

    payment_id: Id
    order_id: Id
    error_code: str
    error_message: str
    retries_remaining: Annotated[int, Meta(description="Counts down from 2: three attempts.")]


@event("payment.refunded", moment="refunded_at")
class PaymentRefunded(Event):
    """The gateway has paid this amount back."""

    payment_id: Id
    order_id: Id
    refund_amount: Annotated[Money, Meta(description="Of this refund, not of all.")]
    refund_reason: Literal[
        "customer_return", "order_cancelled", "units_written_off", "operator", "other"
    ]
    refunded_at: Timestamp
