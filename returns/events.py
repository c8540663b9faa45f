"""What returns tell other services, in the contract's order, and what they keep to themselves."""

from typing import TYPE_CHECKING, Annotated, Literal, Self, cast

from msgspec import Meta

from config.core import request_context
from config.core.money import money
from events.schema import Event, Id, Money, Payload, Quantity, Timestamp, event

if TYPE_CHECKING:
    from decimal import Decimal

    from returns.models import Receipt, ReceiptItem, Return, ReturnItem

RefundMethod = Literal["original_payment", "store_credit", "manual"]
Condition = Literal["good", "opened", "damaged", "defective", "wrong_item"]


class RequestedItem(Payload):
    """Units that the customer wants to send back."""

    order_item_id: Id
    variant_id: Id
    quantity: Quantity

    @classmethod
    def of(cls, line: "ReturnItem", quantity: int) -> Self:
        return cls(order_item_id=line.order_item_id, variant_id=line.variant_id, quantity=quantity)


class ReturnedItem(Payload):
    """Units that have come back, and what state they are in."""

    variant_id: Id
    quantity: Quantity
    condition: Condition
    return_reason: Annotated[str | None, Meta(description="The line's own, or the return's.")]

    @classmethod
    def of(cls, came: "ReceiptItem", return_request: "Return") -> Self:
        return cls(
            variant_id=came.item.variant_id,
            quantity=came.quantity,
            condition=cast(Condition, came.condition),
            return_reason=came.item.reason or return_request.reason,
        )


@event("return.requested", version="1.0", moment="requested_at")
class ReturnRequested(Event):
    """A customer wants to send units back."""

    return_id: Id
    order_id: Id
    rma_number: str
    reason: str
    items: list[RequestedItem]
    requested_at: Timestamp

    @classmethod
    def of(cls, return_request: "Return") -> Self:
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            rma_number=return_request.rma_number,
            reason=return_request.reason,
            items=[RequestedItem.of(line, line.quantity) for line in return_request.lines],
            requested_at=return_request.requested_at,
        )


@event("return.approved", version="1.0")
class ReturnApproved(Event):
    """The customer may send it."""

    return_id: Id
    rma_number: str
    approved_by: str
    return_shipping_label_url: Annotated[str | None, Meta(description="Null if we give none.")]
    refund_amount: Annotated[Money, Meta(description="The most that may be refunded.")]

    @classmethod
    def of(cls, return_request: "Return") -> Self:
        assert return_request.approved_by, "nobody has approved it"
        assert return_request.approved_amount is not None, "nor said how much may go back"
        return cls(
            return_id=return_request.id,
            rma_number=return_request.rma_number,
            approved_by=return_request.approved_by,
            return_shipping_label_url=return_request.return_shipping_label_url,
            refund_amount=money(return_request.approved_amount, return_request.currency),
        )


@event("return.received", version="1.0", moment="received_at")
class ReturnReceived(Event):
    """Units have come back; Inventory restocks them. Once for each receipt."""

    return_id: Id
    order_id: Id
    rma_number: str
    received_at: Timestamp
    warehouse_id: Id
    returned_items: Annotated[list[ReturnedItem], Meta(description="Of this receipt only.")]

    @classmethod
    def of(cls, return_request: "Return", receipt: "Receipt") -> Self:
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            rma_number=return_request.rma_number,
            received_at=receipt.received_at,
            warehouse_id=receipt.warehouse_id,
            returned_items=[ReturnedItem.of(came, return_request) for came in receipt.contents],
        )


@event("return.refunded", version="1.0", moment="refunded_at")
class ReturnRefunded(Event):
    """The customer has the money; once per return."""

    return_id: Id
    refund_amount: Money
    refund_method: RefundMethod
    refunded_at: Timestamp

    @classmethod
    def of(cls, return_request: "Return") -> Self:
        assert return_request.refunded_at, "nothing has gone back"
        return cls(
            return_id=return_request.id,
            refund_amount=money(return_request.refunded, return_request.currency),
            refund_method=cast(RefundMethod, return_request.refund_method),
            refunded_at=return_request.refunded_at,
        )


@event("return.rejected", published=False)
class ReturnRejected(Event):
    """The customer may not send it."""

    return_id: Id
    order_id: Id
    rejected_by: str
    note: str

    @classmethod
    def of(cls, return_request: "Return") -> Self:
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            rejected_by=request_context.current().actor,
            note=return_request.ending_note,
        )


@event("return.cancelled", published=False)
class ReturnCancelled(Event):
    """It will not be sent after all."""

    return_id: Id
    order_id: Id
    note: str

    @classmethod
    def of(cls, return_request: "Return") -> Self:
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            note=return_request.ending_note,
        )


@event("return.cut_short", published=False)
class ReturnCutShort(Event):
    """Some of what was approved will not come; what has come is all there is to refund."""

    return_id: Id
    order_id: Id
    items: Annotated[list[RequestedItem], Meta(description="What will not come.")]
    note: str

    @classmethod
    def of(cls, return_request: "Return", *, note: str) -> Self:
        missing = [line for line in return_request.lines if line.outstanding]
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            items=[RequestedItem.of(line, line.outstanding) for line in missing],
            note=note,
        )


@event("return.refund_due", published=False)
class ReturnRefundDue(Event):
    """The customer is to get this money for what has come back."""

    return_id: Id
    order_id: Id
    amount: Money
    currency: str
    refund_method: RefundMethod

    @classmethod
    def of(cls, return_request: "Return", *, amount: "Decimal") -> Self:
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            amount=money(amount, return_request.currency),
            currency=return_request.currency,
            refund_method=cast(RefundMethod, return_request.refund_method),
        )


@event("return.closed", published=False)
class ReturnClosed(Event):
    """It has come back, and nothing is owed for it."""

    return_id: Id
    order_id: Id
    note: str

    @classmethod
    def of(cls, return_request: "Return") -> Self:
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            note=return_request.ending_note,
        )
