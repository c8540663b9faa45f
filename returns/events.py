"""Returns' events: the published ones in the contract's order, then the internal ones."""

from typing import Annotated, Literal

from msgspec import Meta

from events.schema import Event, Id, Money, Payload, Personal, Quantity, Timestamp, event
from orders.events import LineUnits, PaidUnits

RefundMethod = Literal["original_payment", "store_credit", "manual"]
Condition = Literal["good", "opened", "damaged", "defective", "wrong_item"]
RETURNED_TO_SENDER = "returned_to_sender"  # the reason of a parcel's return


class RequestedItem(Payload):
    """Units of an order line that the customer sends back."""

    order_item_id: Id
    variant_id: Id
    quantity: Quantity


class ReturnedItem(Payload):
    """Received units of a variant in one condition."""

    CODES = frozenset({RETURNED_TO_SENDER})

    variant_id: Id
    quantity: Quantity
    condition: Condition
    return_reason: Annotated[
        Personal | None, Meta(description="The line's reason or, without one, the return's.")
    ]


@event("return.requested", version="1.0", moment="requested_at")
class ReturnRequested(Event):
    """A customer requested to return units, or a parcel comes back undelivered.

    The reason of the latter is `returned_to_sender`. It is received, and not approved or refunded.
    """

    CODES = frozenset({RETURNED_TO_SENDER})

    return_id: Id
    order_id: Id
    rma_number: str
    reason: Personal
    items: list[RequestedItem]
    requested_at: Timestamp


@event("return.approved", version="1.0")
class ReturnApproved(Event):
    """The return was approved; the customer may send the units."""

    return_id: Id
    rma_number: str
    approved_by: str
    return_shipping_label_url: Annotated[Personal | None, Meta(description="Null without a label.")]
    refund_amount: Annotated[Money, Meta(description="The maximum refund.")]


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


@event("return.refunded", version="1.0", moment="refunded_at")
class ReturnRefunded(Event):
    """The refund of the return is complete. Published once per return."""

    return_id: Id
    refund_amount: Money
    refund_method: RefundMethod
    refunded_at: Timestamp


@event("return.parcel_expected", published=False)
class ReturnParcelExpected(Event):
    """A parcel comes back to its sender: a warehouse receives it without an approval."""

    return_id: Id
    order_id: Id
    shipment_id: Id


@event("return.parcel_received", published=False)
class ReturnParcelReceived(Event):
    """A warehouse received units of a parcel that came back to its sender."""

    return_id: Id
    order_id: Id
    shipment_id: Id
    warehouse_id: Id
    items: list[LineUnits]
    unusable: Annotated[
        list[LineUnits], Meta(description="Those of the units that cannot be sent again.")
    ]


@event("return.parcel_missing", published=False)
class ReturnParcelMissing(Event):
    """Units of a parcel that was to come back to its sender will not come."""

    return_id: Id
    order_id: Id
    shipment_id: Id
    items: list[LineUnits]


@event("return.rejected", published=False)
class ReturnRejected(Event):
    """The return was rejected."""

    return_id: Id
    order_id: Id
    rejected_by: str
    note: Personal


@event("return.cancelled", published=False)
class ReturnCancelled(Event):
    """The return was cancelled before any unit was received."""

    return_id: Id
    order_id: Id
    note: Personal


@event("return.cut_short", published=False)
class ReturnCutShort(Event):
    """The outstanding units will not come. Only the received units can be refunded."""

    return_id: Id
    order_id: Id
    items: Annotated[list[RequestedItem], Meta(description="The units that will not come.")]
    note: Personal


@event("return.refund_due", published=False)
class ReturnRefundDue(Event):
    """A refund for received units was requested from payments."""

    return_id: Id
    order_id: Id
    amount: Money
    currency: str
    refund_method: RefundMethod
    # Events recorded before refunds had lines have none.
    lines: Annotated[
        list[PaidUnits],
        Meta(description="All accepted units. What the refunds leave of their price is a fee."),
    ] = []


@event("return.closed", published=False)
class ReturnClosed(Event):
    """The return was closed without a refund."""

    return_id: Id
    order_id: Id
    note: Personal
