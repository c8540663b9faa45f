"""What returns tell other services, in the contract's order, and what they keep to themselves."""

from typing import Annotated, Literal

from msgspec import Meta

from events.schema import Event, Id, Money, Payload, Quantity, Timestamp, event


class RequestedItem(Payload):
    """Units that the customer wants to send back."""

    order_item_id: Id
    variant_id: Id
    quantity: Quantity


class ReturnedItem(Payload):
    """Units that have come back, and what state they are in."""

    variant_id: Id
    quantity: Quantity
    condition: Literal["good", "opened", "damaged", "defective", "wrong_item"]
    return_reason: Annotated[str | None, Meta(description="The line's own, or the return's.")]


@event("return.requested", moment="requested_at")
class ReturnRequested(Event):
    """A customer wants to send units back."""

    return_id: Id
    order_id: Id
    rma_number: str
    reason: str
    items: list[RequestedItem]
    requested_at: Timestamp


@event("return.approved")
class ReturnApproved(Event):
    """The customer may send it."""

    return_id: Id
    rma_number: str
    approved_by: str
    return_shipping_label_url: Annotated[str | None, Meta(description="Null if we give none.")]
    refund_amount: Annotated[Money, Meta(description="The most that may be refunded.")]


@event("return.received", moment="received_at")
class ReturnReceived(Event):
    """Units have come back; Inventory restocks them. Once for each receipt."""

    return_id: Id
    order_id: Id
    rma_number: str
    received_at: Timestamp
    warehouse_id: Id
    returned_items: Annotated[list[ReturnedItem], Meta(description="Of this receipt only.")]


@event("return.refunded", moment="refunded_at")
class ReturnRefunded(Event):
    """The customer has the money; once per return."""

    return_id: Id
    refund_amount: Money
    refund_method: Literal["original_payment", "store_credit", "manual"]
    refunded_at: Timestamp


@event("return.rejected", published=False)
class ReturnRejected(Event):
    """The customer may not send it."""

    return_id: Id
    order_id: Id
    rejected_by: str
    note: str


@event("return.cancelled", published=False)
class ReturnCancelled(Event):
    """It will not be sent after all."""

    return_id: Id
    order_id: Id
    note: str


@event("return.cut_short", published=False)
class ReturnCutShort(Event):
    """Some of what was approved will not come; what has come is all there is to refund."""

    return_id: Id
    order_id: Id
    items: list[RequestedItem]


@event("return.refund_due", published=False)
class ReturnRefundDue(Event):
    """The customer is to get this money for what has come back."""

    return_id: Id
    order_id: Id
    amount: Money
    currency: str
    refund_method: Literal["original_payment", "store_credit", "manual"]


@event("return.closed", published=False)
class ReturnClosed(Event):
    """It has come back, and nothing is owed for it."""

    return_id: Id
    order_id: Id
    note: str
