"""What payments tell other services, in the contract's order."""

from typing import Annotated, Literal

from msgspec import Meta

from events.schema import Event, Id, Money, Payload, Timestamp, event

PaymentMethod = Literal["stripe", "manual", "sandbox"]
RefundMethod = Literal["original_payment", "store_credit", "manual"]
RefundReason = Literal[
    "customer_return", "order_cancelled", "units_written_off", "operator", "other"
]


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
    refund_reason: RefundReason
    refunded_at: Timestamp


@event("payment.opened", published=False)
class PaymentOpened(Event):
    """The gateway is to be asked for the money; once per attempt."""

    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    payment_method: PaymentMethod


@event("payment.mismatched", published=False)
class PaymentMismatched(Event):
    """Other money came than was asked for: the order is held, and an operator decides."""

    payment_id: Id
    order_id: Id
    amount: Annotated[Money, Meta(description="What was asked for.")]
    currency: str
    captured: Annotated[Money, Meta(description="What came.")]
    captured_currency: str


@event("payment.abandoned", published=False)
class PaymentAbandoned(Event):
    """Nobody waits for this money any more; if it comes all the same, it goes back."""

    payment_id: Id
    order_id: Id
    reason: str


class Refunding(Payload):
    """A refund, as the facts about it tell it."""

    refund_id: Id
    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    reason: RefundReason
    method: RefundMethod


@event("refund.requested", published=False)
class RefundRequested(Event, Refunding):
    """Money is to go back."""


@event("refund.succeeded", published=False)
class RefundSucceeded(Event, Refunding):
    """Money has gone back, by whatever way."""


@event("refund.failed", published=False)
class RefundFailed(Event, Refunding):
    """Money could not go back: its amount can be refunded again, and somebody has to."""

    error_code: str
    error_message: str
