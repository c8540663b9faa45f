"""What orders tell other services, in the contract's order, and what they keep to themselves."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self, cast

from msgspec import Meta

from config.core import request_context
from config.core.money import money
from events.schema import Event, Id, Money, Payload, Quantity, Timestamp, event

if TYPE_CHECKING:
    from orders.models import Order


CancellationReason = Literal[
    "customer_request",
    "out_of_stock",
    "payment_failed",
    "reservation_expired",
    "fraud",
    "operator",
    "other",
]


class StockItem(Payload):
    """Units of a variant in a warehouse."""

    variant_id: Id
    quantity: Quantity
    warehouse_id: Annotated[Id | None, Meta(description="Null where none is known.")]

    @classmethod
    def of(cls, order: "Order") -> list[Self]:
        """Every unit that is not written off, one entry for each line and warehouse."""
        return [
            cls(variant_id=line.variant_id, quantity=quantity, warehouse_id=warehouse_id)
            for line in order.lines
            for warehouse_id, quantity in line.by_warehouse().items()
        ]


class PlacedItem(Payload):
    """What Inventory is asked to reserve."""

    variant_id: Id
    quantity: Quantity
    preferred_warehouse_id: Annotated[Id | None, Meta(description="Null where any will do.")]


@event("order.created", version="1.0")
class OrderCreated(Event):
    """An order is open; nothing is reserved or owed yet."""

    order_id: Id
    order_number: str
    customer_id: Annotated[Id | None, Meta(description="Null for a guest.")]
    total_amount: Money
    currency: Annotated[str, Meta(description="ISO 4217.")]
    items_count: Annotated[Quantity, Meta(description="Units, as a shopper counts.")]
    status: Literal["pending"]

    @classmethod
    def of(cls, order: "Order") -> Self:
        return cls(
            order_id=order.id,
            order_number=order.number,
            customer_id=order.customer_id,
            total_amount=money(order.total, order.currency),
            currency=order.currency,
            items_count=sum(line.quantity for line in order.lines),
            status="pending",
        )


@event("order.placed", version="1.0")
class OrderPlaced(Event):
    """The customer has committed; Inventory reserves the stock for as long as paying may take."""

    order_id: Id
    customer_id: Annotated[Id | None, Meta(description="Null for a guest.")]
    local_id: Annotated[Id | None, Meta(description="The shop or branch; null online.")]
    items: list[PlacedItem]
    reservation_ttl_minutes: Annotated[int, Meta(description="An unpaid order lives no longer.")]

    @classmethod
    def of(cls, order: "Order", *, reservation_ttl_minutes: int) -> Self:
        return cls(
            order_id=order.id,
            customer_id=order.customer_id,
            local_id=order.local_id,
            items=[
                PlacedItem(
                    variant_id=line.variant_id,
                    quantity=line.quantity,
                    preferred_warehouse_id=line.preferred_warehouse_id,
                )
                for line in order.lines
            ],
            reservation_ttl_minutes=reservation_ttl_minutes,
        )


@event("order.confirmed", version="1.0", moment="confirmed_at")
class OrderConfirmed(Event):
    """What is due is paid; Inventory commits the stock, Notification mails the customer."""

    order_id: Id
    order_number: str
    reservation_id: Annotated[Id | None, Meta(description="Null if Inventory never answered.")]
    confirmed_at: Timestamp
    payment_id: Annotated[Id | None, Meta(description="Null if nothing was to be paid.")]
    items: Annotated[list[StockItem], Meta(description="One for each line and warehouse.")]

    @classmethod
    def of(cls, order: "Order", *, payment_id: str | None, confirmed_at: datetime) -> Self:
        return cls(
            order_id=order.id,
            order_number=order.number,
            reservation_id=order.reservation_id,
            confirmed_at=confirmed_at,
            payment_id=payment_id,
            items=StockItem.of(order),
        )


@event("order.cancelled", version="1.0")
class OrderCancelled(Event):
    """It will not be delivered; Inventory releases the stock, and what was paid goes back."""

    order_id: Id
    reservation_id: Annotated[Id | None, Meta(description="Null if Inventory never answered.")]
    cancellation_reason: CancellationReason
    cancelled_by: Annotated[str, Meta(description="A user, or `system`.")]
    refund_required: Annotated[bool, Meta(description="Money was captured and not refunded.")]
    stock_to_release: Annotated[
        list[StockItem],
        Meta(description="Every live unit; empty if the order was never placed."),
    ]

    @classmethod
    def of(cls, order: "Order", *, reason: str, refund_required: bool) -> Self:
        return cls(
            order_id=order.id,
            reservation_id=order.reservation_id,
            cancellation_reason=cast(CancellationReason, reason),
            cancelled_by=request_context.current().actor,
            refund_required=refund_required,
            stock_to_release=StockItem.of(order) if order.placed_at else [],
        )


@event("order.processing", version="1.0", moment="fulfillment_started_at")
class OrderProcessing(Event):
    """The first warehouse has started; from here on the allocation is fixed."""

    order_id: Id
    warehouse_id: Annotated[Id | None, Meta(description="Null where none is known.")]
    fulfillment_started_at: Timestamp


@event("order.shipped", version="1.0", moment="shipped_at")
class OrderShipped(Event):
    """A shipment has left; Inventory deducts its units. Once for each shipment."""

    order_id: Id
    shipment_id: Id
    carrier: str
    tracking_number: Annotated[str | None, Meta(description="Null without a label.")]
    shipped_at: Timestamp
    estimated_delivery: date | None
    shipped_items: Annotated[list[StockItem], Meta(description="Of this shipment only.")]


@event("order.delivered", version="1.0", moment="delivered_at")
class OrderDelivered(Event):
    """The last live unit has arrived; the proof is that of the latest delivery."""

    order_id: Id
    delivered_at: Timestamp
    signature: str | None
    delivery_photo_url: str | None

    @classmethod
    def of(cls, order: "Order") -> Self:
        assert order.delivered_at, "nothing has arrived"
        return cls(
            order_id=order.id,
            delivered_at=order.delivered_at,
            signature=order.delivery_signature,
            delivery_photo_url=order.delivery_photo_url,
        )


class LineUnits(Payload):
    """Units of one of the order's lines."""

    order_item_id: Id
    quantity: Quantity

    @classmethod
    def of(cls, units: Mapping[str, int]) -> list[Self]:
        return [cls(order_item_id=line, quantity=quantity) for line, quantity in units.items()]


class AllocatedUnits(LineUnits):
    """Units of a line that a warehouse is to send."""

    warehouse_id: Id


@event("order.reserved", published=False)
class OrderReserved(Event):
    """Inventory has said from which warehouses the units come."""

    order_id: Id
    reservation_id: Id
    allocations: list[AllocatedUnits]


@event("order.held", published=False)
class OrderHeld(Event):
    """Somebody wants to look at it before fulfillment starts."""

    order_id: Id
    reason: str
    note: str
    held_by: str

    @classmethod
    def of(cls, order: "Order", *, reason: str, note: str) -> Self:
        return cls(
            order_id=order.id,
            reason=reason,
            note=note,
            held_by=request_context.current().actor,
        )


@event("order.released", published=False)
class OrderReleased(Event):
    """The hold is lifted."""

    order_id: Id
    released_by: str

    @classmethod
    def of(cls, order: "Order") -> Self:
        return cls(order_id=order.id, released_by=request_context.current().actor)


@event("order.part_delivered", published=False)
class OrderPartDelivered(Event):
    """A shipment has arrived, and others have not."""

    order_id: Id
    shipment_id: Id
    delivered_at: Timestamp


@event("order.units_written_off", published=False)
class OrderUnitsWrittenOff(Event):
    """These units will never ship; what was paid for them, the amount, goes back."""

    order_id: Id
    reason: str
    items: list[LineUnits]
    amount: Money
    currency: str


@event("order.units_reopened", published=False)
class OrderUnitsReopened(Event):
    """A shipment was lost or came back: its units are to be sent again or written off."""

    order_id: Id
    shipment_id: Id
    items: list[LineUnits]


@event("order.units_returned", published=False)
class OrderUnitsReturned(Event):
    """The customer has sent these units back."""

    order_id: Id
    items: list[LineUnits]


@event("order.units_released", published=False)
class OrderUnitsReleased(Event):
    """Somebody has told Inventory by hand to release what was written off."""

    order_id: Id
    items: list[LineUnits]
