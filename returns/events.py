"""What returns tell other services, in the contract's order."""

from typing import Literal

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
    return_reason: str | None


@event("return.requested", moment="requested_at")
class ReturnRequested(Event):
    """Warehouse and customer service expect a parcel."""

    return_id: Id
    order_id: Id
    rma_number: str
    reason: str
    items: list[RequestedItem]
    requested_at: Timestamp


@event("return.approved")
class ReturnApproved(Event):
    """The customer may send it; `refund_amount` is the most that this return can refund."""

    return_id: Id
    rma_number: str
    approved_by: str
    return_shipping_label_url: str | None
    refund_amount: Money


@event("return.received", moment="received_at")
class ReturnReceived(Event):
    """Inventory restocks the units of this receipt."""

    return_id: Id
    order_id: Id
    rma_number: str
    received_at: Timestamp
    warehouse_id: Id
    returned_items: list[ReturnedItem]


@event("return.refunded", moment="refunded_at")
class ReturnRefunded(Event):
    """The customer has the money; once per return."""

    return_id: Id
    refund_amount: Money
    refund_method: Literal["original_payment", "store_credit", "manual"]
    refunded_at: Timestamp
