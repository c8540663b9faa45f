"""Returns' events: the published ones in the contract's order, then the internal ones."""

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
    """Units of an order line that the customer sends back."""

    order_item_id: Id
    variant_id: Id
    quantity: Quantity

    @classmethod
    def of(cls, line: "ReturnItem", quantity: int) -> Self:
        return cls(order_item_id=line.order_item_id, variant_id=line.variant_id, quantity=quantity)


class ReturnedItem(Payload):
    """Received units of a variant in one condition."""

    variant_id: Id
    quantity: Quantity
    condition: Condition
    return_reason: Annotated[
        str | None, Meta(description="The line's reason or, without one, the return's.")
    ]

    @classmethod
    def of(cls, received: "ReceiptItem", return_request: "Return") -> Self:
        return cls(
            variant_id=received.item.variant_id,
            quantity=received.quantity,
            condition=cast(Condition, received.condition),
            return_reason=received.item.reason or return_request.reason,
        )


@event("return.requested", version="1.0", moment="requested_at")
class ReturnRequested(Event):
    """A customer requested to return units."""

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
    """The return was approved; the customer may send the units."""

    return_id: Id
    rma_number: str
    approved_by: str
    return_shipping_label_url: Annotated[str | None, Meta(description="Null without a label.")]
    refund_amount: Annotated[Money, Meta(description="The maximum refund.")]

    @classmethod
    def of(cls, return_request: "Return") -> Self:
        assert return_request.approved_by, "the return is not approved"
        assert return_request.approved_amount is not None, "the return has no approved amount"
        return cls(
            return_id=return_request.id,
            rma_number=return_request.rma_number,
            approved_by=return_request.approved_by,
            return_shipping_label_url=return_request.return_shipping_label_url,
            refund_amount=money(return_request.approved_amount, return_request.currency),
        )


@event("return.received", version="1.0", moment="received_at")
class ReturnReceived(Event):
    """A warehouse received returned units, for Inventory to restock. Published once per receipt."""

    return_id: Id
    order_id: Id
    rma_number: str
    received_at: Timestamp
    warehouse_id: Id
    returned_items: Annotated[
        list[ReturnedItem], Meta(description="The units of this receipt only.")
    ]

    @classmethod
    def of(cls, return_request: "Return", receipt: "Receipt") -> Self:
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            rma_number=return_request.rma_number,
            received_at=receipt.received_at,
            warehouse_id=receipt.warehouse_id,
            returned_items=[ReturnedItem.of(item, return_request) for item in receipt.contents],
        )


@event("return.refunded", version="1.0", moment="refunded_at")
class ReturnRefunded(Event):
    """The refund of the return is complete. Published once per return."""

    return_id: Id
    refund_amount: Money
    refund_method: RefundMethod
    refunded_at: Timestamp

    @classmethod
    def of(cls, return_request: "Return") -> Self:
        assert return_request.refunded_at, "nothing is refunded"
        return cls(
            return_id=return_request.id,
            refund_amount=money(return_request.refunded_amount, return_request.currency),
            refund_method=cast(RefundMethod, return_request.refund_method),
            refunded_at=return_request.refunded_at,
        )


@event("return.rejected", published=False)
class ReturnRejected(Event):
    """The return was rejected."""

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
    """The return was cancelled before any unit was received."""

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
    """The outstanding units will not come. Only the received units can be refunded."""

    return_id: Id
    order_id: Id
    items: Annotated[list[RequestedItem], Meta(description="The units that will not come.")]
    note: str

    @classmethod
    def of(cls, return_request: "Return", *, note: str) -> Self:
        missing = [line for line in return_request.lines if line.outstanding_quantity]
        return cls(
            return_id=return_request.id,
            order_id=return_request.order_id,
            items=[RequestedItem.of(line, line.outstanding_quantity) for line in missing],
            note=note,
        )


@event("return.refund_due", published=False)
class ReturnRefundDue(Event):
    """A refund for received units was requested from payments."""

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
    """The return was closed without a refund."""

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
