"""The events of payments: the published ones in the order of the contract, then the internal."""

from typing import Annotated, Literal

from msgspec import Meta

from events.schema import Event, Id, Money, Payload, Personal, Timestamp, event

PaymentMethod = Literal["stripe", "manual", "external", "sandbox"]
AnyPaymentMethod = Literal[PaymentMethod, "on_account"]  # in internal events
RefundMethod = Literal["original_payment", "store_credit", "manual"]
RefundReason = Literal[
    "customer_return", "order_cancelled", "units_written_off", "operator", "other"
]


@event("payment.pending", version="1.0")
class PaymentPending(Event):
    """The gateway has accepted an attempt and waits for the customer; once per attempt."""

    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    payment_method: PaymentMethod
    gateway_payment_id: Annotated[str | None, Meta(description="Null for `manual`.")]


@event("payment.succeeded", version="1.0", moment="paid_at")
class PaymentSucceeded(Event):
    """Money was captured for the order, once per capture.

    If it is not the charged amount, only when an operator has applied it to the order.
    """

    payment_id: Id
    order_id: Id
    amount: Money
    paid_at: Timestamp
    payment_method: PaymentMethod
    card_last4: Annotated[str | None, Meta(description="Null unless the payment was made by card.")]


@event("payment.failed", version="1.0")
class PaymentFailed(Event):
    """The gateway declined an attempt."""

    payment_id: Id
    order_id: Id
    error_code: str
    error_message: Personal
    retries_remaining: Annotated[
        int, Meta(description="Counts down from 2 over all payments of the order: three attempts.")
    ]


@event("payment.refunded", version="1.0", moment="refunded_at")
class PaymentRefunded(Event):
    """The gateway has refunded an amount that was published; once per refund."""

    payment_id: Id
    order_id: Id
    refund_amount: Annotated[Money, Meta(description="Of this refund, not of all refunds.")]
    refund_reason: RefundReason
    refunded_at: Timestamp


@event("payment.opened", published=False)
class PaymentOpened(Event):
    """An attempt to charge the customer begins; once per attempt."""

    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    payment_method: AnyPaymentMethod


@event("payment.disputed", published=False)
class PaymentDisputed(Event):
    """The customer's bank takes a captured amount back until it has decided."""

    dispute_id: Id
    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    reason: str


@event("payment.dispute_ended", published=False)
class PaymentDisputeEnded(Event):
    """The bank has decided a dispute. Of a lost one, the money is recorded as a refund."""

    dispute_id: Id
    payment_id: Id
    order_id: Id
    outcome: Literal["won", "lost"]


@event("payment.deferred", published=False)
class PaymentDeferred(Event):
    """The order is confirmed before it is paid: the customer owes the amount."""

    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    payable_until: Timestamp | None


@event("payment.closed", published=False)
class PaymentClosed(Event):
    """Nothing is due any more for an order that was confirmed before it was paid."""

    payment_id: Id
    order_id: Id


@event("payment.refused", published=False)
class PaymentRefused(Event):
    """The gateway cannot take the payment: its amount or currency, or the organization's account.

    It is no attempt of the customer.
    """

    payment_id: Id
    order_id: Id
    error_code: str
    error_message: Personal


@event("payment.authorized", published=False)
class PaymentAuthorized(Event):
    """The gateway reserves the amount until it is captured or voided."""

    payment_id: Id
    order_id: Id
    amount: Money
    currency: str


@event("payment.capture_requested", published=False)
class PaymentCaptureRequested(Event):
    """The gateway is to capture an authorized amount, or a part of it."""

    payment_id: Id
    order_id: Id
    amount: Money
    currency: str


@event("payment.voided", published=False)
class PaymentVoided(Event):
    """The gateway does not reserve the money any more. Nothing was captured."""

    payment_id: Id
    order_id: Id
    reason: str


@event("payment.surplus_received", published=False)
class PaymentSurplusReceived(Event):
    """Money was received beyond what was due."""

    payment_id: Id
    order_id: Id
    surplus_of: Annotated[
        Id,
        Meta(description="The payment with which it was received: itself, if nothing was due."),
    ]
    amount: Money
    currency: str


@event("payment.moved", published=False)
class PaymentMoved(Event):
    """Money that was captured for an order counts for the one that replaces it."""

    payment_id: Id
    order_id: Id
    moved_from: Annotated[Id, Meta(description="The payment that captured it.")]
    amount: Money
    currency: str


@event("payment.transfer_awaited", published=False)
class PaymentTransferAwaited(Event):
    """The order waits for money: for a bank transfer, or for the rest of its total."""

    payment_id: Id
    order_id: Id
    awaited_until: Timestamp


@event("payment.mismatched", published=False)
class PaymentMismatched(Event):
    """Another amount was captured than was charged: the order is held, and an operator decides."""

    payment_id: Id
    order_id: Id
    amount: Annotated[Money, Meta(description="The charged amount.")]
    currency: str
    captured: Annotated[Money, Meta(description="The captured amount.")]
    captured_currency: str


@event("payment.mismatch_resolved", published=False)
class PaymentMismatchResolved(Event):
    """A mismatched capture pays the order, or all of it is refunded."""

    payment_id: Id
    order_id: Id
    resolution: Literal["applied", "refunded"]


@event("payment.abandoned", published=False)
class PaymentAbandoned(Event):
    """The payment is not awaited any more. A later capture is still applied or refunded."""

    payment_id: Id
    order_id: Id
    reason: str


class RefundPart(Payload):
    """What a part of a refund is for.

    `item` is the price of units of an order line; of quantity 0, a part of the price of its units.
    `fee` is what is kept of the line's price, and negative; later refunds of it are positive.
    `shipping` is for the shipping, `goodwill` for no line in particular.
    """

    kind: Literal["item", "fee", "shipping", "goodwill"]
    order_item_id: Annotated[Id | None, Meta(description="Null for `shipping` and `goodwill`.")]
    quantity: Annotated[int, Meta(ge=0)]
    amount: Annotated[Money, Meta(description="Including tax.")]


class RefundEvent(Event, kw_only=True):
    """The fields of the events about a refund."""

    refund_id: Id
    payment_id: Id
    order_id: Id
    amount: Money
    currency: str
    reason: RefundReason
    method: RefundMethod
    # Events recorded before refunds had causes have none.
    cause: Annotated[Id | None, Meta(description="The return that requested it, if any.")] = None
    # Events recorded before refunds had parts have none: goodwill.
    parts: Annotated[list[RefundPart], Meta(description="They sum to the amount.")] = []


@event("refund.requested", published=False)
class RefundRequested(RefundEvent):
    """A refund was requested."""


@event("refund.succeeded", published=False)
class RefundSucceeded(RefundEvent):
    """A refund was paid out, by the gateway or by an operator.

    Of a payment on account nothing is paid out: the customer owes less.
    """


@event("refund.failed", published=False)
class RefundFailed(RefundEvent):
    """A refund could not be paid out. Its amount can be refunded again, which an operator does."""

    error_code: str
    error_message: Personal


@event("refund.fell_short", published=False)
class RefundFellShort(Event):
    """An amount should also be refunded, and no captured money of the order is left for it."""

    payment_id: Id
    order_id: Id
    cause: Annotated[Id | None, Meta(description="The return that requested it, if any.")]
    amount: Money
    currency: str
