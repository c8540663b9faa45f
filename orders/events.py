"""The events of orders: published ones in the order of the specification, then internal ones."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from msgspec import Meta

from config.core.money import money
from events.schema import Event, Id, Money, Payload, Personal, Quantity, Timestamp, event

if TYPE_CHECKING:
    from orders.models import Order, OrderItem, WriteOff
    from orders.models.parts import ShipmentData
    from orders.quantities import AllocationData, Quantities, Stock, WarehouseUnits


CancellationReason = Literal[
    "customer_request",
    "out_of_stock",
    "payment_failed",
    "reservation_expired",
    "fraud",
    "operator",
    "replaced",
    "other",
]


class StockItem(Payload):
    """A quantity of one variant in one warehouse."""

    variant_id: Id
    quantity: Quantity
    warehouse_id: Annotated[Id | None, Meta(description="Null if not known.")]

    @classmethod
    def of_order(cls, order: "Order") -> list[Self]:
        """Return the units that are not written off, one item for each line and warehouse."""
        return [
            cls(variant_id=line.variant_id, quantity=quantity, warehouse_id=warehouse_id)
            for line in order.lines
            for warehouse_id, quantity in line.by_warehouse().items()
        ]

    @classmethod
    def of_lines(
        cls, units: "Iterable[tuple[OrderItem, int]]", warehouse_id: str | None
    ) -> list[Self]:
        """Return quantities of lines in one warehouse."""
        return [
            cls(variant_id=line.variant_id, quantity=quantity, warehouse_id=warehouse_id)
            for line, quantity in units
        ]

    @classmethod
    def of_stock(cls, stock: "Stock") -> list[Self]:
        """Return an item for each variant and warehouse with a positive quantity."""
        return [
            cls(variant_id=variant_id, quantity=quantity, warehouse_id=warehouse_id)
            for (variant_id, warehouse_id), quantity in (+stock).items()
        ]


class PlacedItem(Payload):
    """A quantity of one variant that Inventory should reserve."""

    variant_id: Id
    quantity: Quantity
    preferred_warehouse_id: Annotated[Id | None, Meta(description="Null for any warehouse.")]


@event("order.created", version="1.0")
class OrderCreated(Event):
    """An order was opened. No stock is reserved and no payment is due until it is placed."""

    order_id: Id
    order_number: str
    customer_id: Annotated[Id | None, Meta(description="Null for a guest.")]
    total_amount: Money
    currency: Annotated[str, Meta(description="ISO 4217.")]
    items_count: Annotated[Quantity, Meta(description="Units, summed over all lines.")]
    status: Literal["pending"]


@event("order.placed", version="1.0")
class OrderPlaced(Event):
    """The customer placed the order. Inventory should reserve its stock."""

    order_id: Id
    customer_id: Annotated[Id | None, Meta(description="Null for a guest.")]
    local_id: Annotated[
        Id | None, Meta(description="The shop or branch; null for an online order.")
    ]
    items: list[PlacedItem]
    reservation_ttl_minutes: Annotated[
        int,
        Meta(
            description="An order that is not paid by then is cancelled: the days of a bank "
            "transfer, if the customer chose `manual`."
        ),
    ]


@event("order.confirmed", version="1.0", moment="confirmed_at")
class OrderConfirmed(Event):
    """The amount due is paid. Inventory should commit the reserved stock."""

    order_id: Id
    order_number: str
    reservation_id: Annotated[Id | None, Meta(description="Null without a reservation.")]
    confirmed_at: Timestamp
    payment_id: Annotated[Id | None, Meta(description="Null if nothing was due.")]
    items: Annotated[list[StockItem], Meta(description="One item for each line and warehouse.")]


@event("order.cancelled", version="1.0")
class OrderCancelled(Event):
    """The order was cancelled. Inventory should release its stock; payments are refunded."""

    order_id: Id
    reservation_id: Annotated[Id | None, Meta(description="Null without a reservation.")]
    cancellation_reason: CancellationReason
    cancelled_by: Annotated[str, Meta(description="A user id, or `system`.")]
    refund_required: Annotated[
        bool, Meta(description="True if captured money is not refunded yet.")
    ]
    stock_to_release: Annotated[
        list[StockItem],
        Meta(
            description="What Inventory still holds for the order, by the events that it received; "
            "empty if the order was never placed."
        ),
    ]


@event("order.processing", version="1.0", moment="fulfillment_started_at")
class OrderProcessing(Event):
    """The first warehouse started to pick. The allocation cannot change any more."""

    order_id: Id
    warehouse_id: Annotated[Id | None, Meta(description="Null if not known.")]
    fulfillment_started_at: Timestamp


@event("order.shipped", version="1.0", moment="shipped_at")
class OrderShipped(Event):
    """A shipment left the warehouse, once for each shipment. Inventory should deduct its units."""

    order_id: Id
    shipment_id: Id
    carrier: str
    tracking_number: Annotated[str | None, Meta(description="Null if the carrier gave none.")]
    shipped_at: Timestamp
    estimated_delivery: date | None
    shipped_items: Annotated[list[StockItem], Meta(description="The units of this shipment only.")]

    @classmethod
    def of_shipment(cls, order: "Order", shipment: "ShipmentData") -> Self:
        """Return the event about a shipment that leaves a warehouse."""
        units = order.quantities.select(shipment["units"])
        return cls(
            order_id=order.id,
            shipment_id=shipment["shipment_id"],
            carrier=shipment["carrier"],
            tracking_number=shipment["tracking_number"],
            shipped_at=shipment["at"],
            estimated_delivery=shipment["estimated_delivery"],
            shipped_items=StockItem.of_lines(units, shipment["warehouse_id"]),
        )


@event("order.delivered", version="1.0", moment="delivered_at")
class OrderDelivered(Event):
    """The last unit was delivered. The proof is that of the latest delivery."""

    order_id: Id
    delivered_at: Timestamp
    signature: Personal | None
    delivery_photo_url: Personal | None


class LineUnits(Payload):
    """A quantity of one of the order's lines."""

    order_item_id: Id
    variant_id: Id
    quantity: Quantity

    @classmethod
    def of_lines(cls, units: "Iterable[tuple[OrderItem, int]]", **values: Any) -> list[Self]:
        """Return quantities of lines; `values` are the further fields, the same for each."""
        return [
            cls(order_item_id=line.id, variant_id=line.variant_id, quantity=quantity, **values)
            for line, quantity in units
        ]


class PaidUnits(LineUnits):
    """A quantity of one of the order's lines, and what the customer paid for it."""

    amount: Annotated[Money, Meta(description="Including tax.")]

    @classmethod
    def of_write_offs(cls, write_offs: "Iterable[WriteOff]") -> list[Self]:
        """Return the written-off quantities with their prices."""
        return [
            cls(
                order_item_id=each.order_item_id,
                variant_id=each.order_item.variant_id,
                quantity=each.quantity,
                amount=money(each.amount, each.order.currency),
            )
            for each in write_offs
        ]


class StockUnits(LineUnits):
    """A quantity of one of the order's lines in a warehouse."""

    warehouse_id: Annotated[Id | None, Meta(description="Null if not known.")]

    @classmethod
    def of_units(
        cls, quantities: "Quantities", units: "WarehouseUnits | Sequence[AllocationData]"
    ) -> list[Self]:
        """Return units of lines, each with its variant."""
        return [
            cls(
                order_item_id=each["order_item_id"],
                variant_id=quantities.line(each["order_item_id"]).variant_id,
                quantity=each["quantity"],
                warehouse_id=each["warehouse_id"],
            )
            for each in units
        ]

    @classmethod
    def of_plan(cls, order: "Order") -> list[Self]:
        """Return the units to send, one item for each line and warehouse."""
        return [
            cls(
                order_item_id=line.id,
                variant_id=line.variant_id,
                quantity=quantity,
                warehouse_id=warehouse_id,
            )
            for line in order.lines
            for warehouse_id, quantity in line.by_warehouse().items()
        ]

    @classmethod
    def of_write_offs(cls, write_offs: "Iterable[WriteOff]") -> list[Self]:
        """Return the written-off quantities, one item for each line and warehouse."""
        units: Counter[tuple[OrderItem, str | None]] = Counter()
        for write_off in write_offs:
            units[write_off.order_item, write_off.warehouse_id] += write_off.quantity
        return [
            cls(
                order_item_id=line.id,
                variant_id=line.variant_id,
                quantity=quantity,
                warehouse_id=warehouse_id,
            )
            for (line, warehouse_id), quantity in units.items()
        ]


@event("order.reserved", published=False)
class OrderReserved(Event):
    """Inventory reserved stock in one or more warehouses."""

    order_id: Id
    reservation_id: Id
    allocations: Annotated[
        list[StockUnits],
        Meta(
            description="What Inventory holds for the order from now on. Of a confirmed order, "
            "also units that are not reserved, but sent by their preferred warehouse."
        ),
    ]
    backordered: Annotated[
        list[LineUnits], Meta(description="Units that wait for a further reservation.")
    ]


@event("order.backorder_reserved", published=False)
class OrderBackorderReserved(Event):
    """Inventory reserved back-ordered units, in addition to what it holds for the order."""

    order_id: Id
    reservation_id: Id
    allocations: Annotated[list[StockUnits], Meta(description="The added units only.")]


@event("order.paid", published=False)
class OrderPaid(Event):
    """The amount due is paid. The order is confirmed when Inventory has reserved its stock."""

    order_id: Id
    payment_id: Annotated[Id | None, Meta(description="Null if nothing was due.")]
    reservation_due_at: Annotated[
        Timestamp, Meta(description="An order that is not reserved by then is put on hold.")
    ]


@event("order.corrected", published=False)
class OrderCorrected(Event):
    """Addresses, references, notes or metadata changed; units and prices did not."""

    order_id: Id
    fields: Annotated[list[str], Meta(description="The names of what changed.")]


@event("order.took_place", published=False)
class OrderTookPlace(Event):
    """The order takes the place of another one, which is cancelled."""

    order_id: Id
    replaces: Id


@event("order.reservation_extended", published=False)
class OrderReservationExtended(Event):
    """The customer pays by bank transfer, so Inventory should keep the stock reserved longer."""

    order_id: Id
    reservation_id: Annotated[Id | None, Meta(description="Null without a reservation.")]
    reservation_expires_at: Annotated[
        Timestamp, Meta(description="An order that is not paid by then is cancelled.")
    ]


@event("order.held", published=False)
class OrderHeld(Event):
    """The order was put on hold: nothing is picked, packed, labeled or dispatched meanwhile."""

    order_id: Id
    reason: str
    note: Personal
    held_by: str


@event("order.released", published=False)
class OrderReleased(Event):
    """The order was released from hold."""

    order_id: Id
    released_by: str


@event("order.part_delivered", published=False)
class OrderPartDelivered(Event):
    """A shipment was delivered, and other units are not yet."""

    order_id: Id
    shipment_id: Id
    delivered_at: Timestamp


@event("order.units_written_off", published=False)
class OrderUnitsWrittenOff(Event):
    """Units were written off: they will never ship, and `amount` was paid for them.

    Inventory should release them. Without this event they are released with the order.
    """

    order_id: Id
    reason: str
    items: Annotated[list[StockUnits], Meta(description="With the warehouse that had them.")]
    backordered: Annotated[
        list[LineUnits], Meta(description="Back-ordered units, which Inventory does not hold.")
    ]
    amount: Money
    currency: str
    # Events recorded before refunds had lines have none.
    lines: Annotated[
        list[PaidUnits], Meta(description="All of the units, with what was paid for them.")
    ] = []

    @classmethod
    def of_write_offs(
        cls,
        order: "Order",
        reason: str,
        held: "Sequence[WriteOff]",
        backordered: "Sequence[WriteOff]",
    ) -> Self:
        """Return the event about units that a warehouse should have sent, and back-ordered ones."""
        write_offs = [*held, *backordered]
        return cls.of(
            order,
            reason=reason,
            items=StockUnits.of_write_offs(held),
            backordered=LineUnits.of_lines(
                (each.order_item, each.quantity) for each in backordered
            ),
            amount=sum((each.amount for each in write_offs), Decimal(0)),
            lines=PaidUnits.of_write_offs(write_offs),
        )


@event("order.units_reopened", published=False)
class OrderUnitsReopened(Event):
    """Units of a lost or returned shipment will ship again. Inventory should commit their stock."""

    order_id: Id
    shipment_id: Id
    items: Annotated[list[StockUnits], Meta(description="With the warehouse that sends them.")]


@event("order.units_recovered", published=False)
class OrderUnitsRecovered(Event):
    """A lost shipment arrived after all: these of its units need not ship again.

    Inventory should release them.
    """

    order_id: Id
    shipment_id: Id
    items: Annotated[list[StockUnits], Meta(description="With the warehouse that sends them.")]


@event("order.units_returned", published=False)
class OrderUnitsReturned(Event):
    """The customer returned units."""

    order_id: Id
    items: list[LineUnits]


@event("order.units_released", published=False)
class OrderUnitsReleased(Event):
    """An operator released the stock of written-off units in Inventory."""

    order_id: Id
    items: list[StockUnits]
