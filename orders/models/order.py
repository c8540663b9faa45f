"""The order aggregate: its columns, its transitions, and what follows from them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import models

from config.core import clock, request_context
from config.core.client_data import ClientData, PurchaseOrderNumberField
from config.core.ids import PublicIdField
from config.core.money import CurrencyField, MoneyField, TaxRateField, money
from events.aggregate import Aggregate, PartList, transition
from events.people import CustomerErased
from events.schema import Event, is_published
from orders import events
from orders.exceptions import NoItems, NotFullyPaid, OrderIsCancelled, OrderOnHold
from orders.models.choices import (
    CancellationReason,
    HoldReason,
    PaymentMethod,
    Status,
    TaxRounding,
)
from orders.models.constraints import CONSTRAINTS, INDEXES
from orders.models.corrections import Correctable
from orders.models.parts import (
    DeliveryProof,
    Dispatch,
    ItemData,
    OrderItem,
    ShipmentData,
    WriteOff,
)
from orders.pricing import set_amounts
from orders.quantities import AllocationData, Quantities, Stock, Units, WarehouseUnits, count


class Order(ClientData, Correctable):
    """A purchase. Its lines and prices are fixed: to change them, another order replaces it."""

    Status = Status
    CancellationReason = CancellationReason
    HoldReason = HoldReason
    PaymentMethod = PaymentMethod

    created_event = events.OrderCreated
    owner_path = ""
    terminal_statuses = frozenset({Status.DELIVERED, Status.CANCELLED})

    id = PublicIdField("order")
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    cart_id = models.CharField(max_length=40, null=True, unique=True)
    purchase_order_number = PurchaseOrderNumberField()
    customer_id = models.CharField(max_length=64, null=True)
    session_id = models.CharField(max_length=64, null=True)  # of a guest
    customer_email = models.EmailField(null=True)
    locale = models.CharField(max_length=20, null=True)  # of documents; null: the organization's
    local_id = models.CharField(max_length=64, null=True)
    time_zone = clock.TimeZoneField()  # the organization's when the order was opened
    shipping_address = models.JSONField(null=True)
    billing_address = models.JSONField(null=True)
    currency = CurrencyField()
    # During an upgrade, the old version inserts rows without the columns that have a `db_default`.
    tax_inclusive = models.BooleanField(default=False, db_default=False)  # prices and discounts
    tax_rounding = models.CharField(
        max_length=8, choices=TaxRounding.choices, default="line", db_default="line"
    )
    carrier = models.CharField(max_length=64, null=True)
    service = models.CharField(max_length=64, null=True)
    signature_required = models.BooleanField(default=False)
    shipping_cost = MoneyField(default=Decimal(0))  # after its discount
    shipping_discount = MoneyField(default=Decimal(0), db_default=Decimal(0))
    shipping_discount_code = models.CharField(max_length=64, null=True)
    shipping_discount_reason = models.CharField(max_length=200, null=True)
    shipping_tax_rate = TaxRateField()
    shipping_taxes = models.JSONField(default=list, db_default=[])  # as of a line
    shipping_tax = MoneyField(default=Decimal(0))
    discount = MoneyField(default=Decimal(0))  # on the items, beside those of the lines
    discount_code = models.CharField(max_length=64, null=True)
    discount_reason = models.CharField(max_length=200, null=True)
    subtotal = MoneyField()  # the lines after their own discounts
    tax = MoneyField()
    total = MoneyField()
    payment_method = models.CharField(max_length=16, choices=PaymentMethod.choices, null=True)
    placed_at = models.DateTimeField(null=True)
    reservation_id = models.CharField(max_length=64, null=True)
    reservation_expires_at = models.DateTimeField(null=True)
    reservation_due_at = models.DateTimeField(null=True)  # of a paid order
    is_reserved_in_parts = models.BooleanField(default=False)  # a further reservation adds units
    confirmed_at = models.DateTimeField(null=True)
    payment_id = models.CharField(max_length=40, null=True)
    hold_reason = models.CharField(max_length=16, choices=HoldReason.choices, null=True)
    hold_note = models.CharField(max_length=500, default="")
    held_by = models.CharField(max_length=150, null=True)
    held_at = models.DateTimeField(null=True)
    processing_at = models.DateTimeField(null=True)
    dispatched_at = models.DateTimeField(null=True)  # of the first shipment
    delivered_at = models.DateTimeField(null=True)  # of the latest delivery, as is the proof
    delivery_signature = models.TextField(null=True)
    delivery_photo_url = models.URLField(max_length=1000, null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=150, null=True)
    cancellation_reason = models.CharField(max_length=32, choices=CancellationReason, null=True)
    cancellation_note = models.CharField(max_length=500, default="")
    erased_at = models.DateTimeField(null=True)  # when personal data was erased, for the last time
    lines = PartList[OrderItem]("items")  # in the order in which they were given

    class Meta:
        constraints = CONSTRAINTS
        indexes = INDEXES

    def __str__(self) -> str:
        return self.number

    @property
    def quantities(self) -> Quantities:
        """The units of the lines, counted."""
        return Quantities(self.lines)

    @property
    def shipping_total(self) -> Decimal:
        """What the customer pays for the shipping, with its tax."""
        tax = Decimal(0) if self.tax_inclusive else self.shipping_tax
        return Decimal(self.shipping_cost + tax)

    @property
    def shipping_price(self) -> Decimal:
        """The price of the shipping before its discount."""
        return Decimal(self.shipping_cost + self.shipping_discount)

    @property
    def hold_summary(self) -> str:
        """The reason for the hold, and its note."""
        return ": ".join(filter(None, (self.hold_reason, self.hold_note)))

    @property
    def is_on_account(self) -> bool:
        """Whether it is confirmed before it is paid, on the terms that the customer chose."""
        return self.payment_method in PaymentMethod.on_account()

    def is_cancelled(self) -> bool:
        """Return whether the order is cancelled."""
        return self.status == self.Status.CANCELLED

    def is_fulfillable(self) -> bool:
        """Return whether units of the order may be sent: it is confirmed and not cancelled."""
        return bool(self.confirmed_at) and not self.is_cancelled()

    def expect_not_cancelled(self, aggregate: Aggregate | None = None) -> None:
        """Raise OrderIsCancelled. `aggregate` is the one that the request would change."""
        if self.is_cancelled():
            raise OrderIsCancelled(
                f"{self.id} is cancelled: none of its units can be reserved or sent.",
                allowed_actions=(aggregate or self).allowed_actions(),
            )

    def expect_sendable(self, aggregate: Aggregate) -> None:
        """Raise OrderIsCancelled or OrderOnHold. `aggregate` is the one that would change."""
        self.expect_not_cancelled(aggregate)
        if self.is_held():
            raise OrderOnHold(
                f"{self.id} is on hold ({self.hold_summary}). It can go on once it is released.",
                allowed_actions=aggregate.allowed_actions(),
            )

    # Guards. Their docstrings complete "it needs that …".

    def has_a_destination(self) -> bool:
        """the order has a shipping address, or a local_id where the customer collects it"""
        return bool(self.shipping_address or self.local_id)

    def is_held(self) -> bool:
        """the order is on hold"""
        return self.held_at is not None

    def is_not_held(self) -> bool:
        """the order is not on hold"""
        return self.held_at is None

    def has_shipped_nothing(self) -> bool:
        """no unit has been shipped (units that will not ship can be written off)"""
        return self.dispatched_at is None

    def has_unshipped_units(self) -> bool:
        """some units have not been shipped"""
        return any(line.unshipped_quantity for line in self.lines)

    def has_backordered_units(self) -> bool:
        """some units are back-ordered"""
        return any(line.backordered for line in self.lines)

    def holds_reservation(self, reservation_id: str) -> bool:
        """Return whether it is the order's reservation, or one of several."""
        own = {self.reservation_id, *(a.reservation_id for a in self.quantities.allocations())}
        return reservation_id in own

    def is_written_off(self) -> bool:
        """every unit is written off"""
        return not any(line.active_quantity for line in self.lines)

    def is_all_delivered(self) -> bool:
        """every unit that is not written off has been delivered"""
        return all(line.delivered == line.active_quantity for line in self.lines)

    @cached_property
    def is_stock_unreleased(self) -> bool:
        """Whether stock of written-off units is not released; `with_payment_totals` loads it."""
        return self.write_offs.filter(released_at__isnull=True).exists()

    def has_unreleased_units(self) -> bool:
        """the stock of some written-off units has not been released in Inventory"""
        return self.is_stock_unreleased

    # Transitions

    @classmethod
    def open(cls, *, items: Sequence[ItemData], **fields: Any) -> "Order":
        """Open an order whose lines and prices are fixed. Nothing is reserved until it is placed.

        Raises NoItems, DiscountTooLarge, InexactAmount, PriceTooExact, AmountTooLarge.
        """
        if not items:
            raise NoItems("An order has at least one item.")
        order = cls(**fields)
        order.lines = [OrderItem.of(order, n, item) for n, item in enumerate(items, 1)]
        order.save_part(*order.lines)
        order.is_stock_unreleased = False
        set_amounts(order)
        created = events.OrderCreated.of(
            order,
            order_number=order.number,
            total_amount=order.total,
            items_count=order.quantities.total("quantity"),
        )
        order.record(created)
        return order

    @transition(
        source=Status.PENDING,
        target=Status.PLACED,
        emits=events.OrderPlaced,
        verb="place",
        guards=[has_a_destination],
    )
    def place(self, *, reservation_ttl_minutes: int, at: datetime) -> Event:
        """Place the order: the customer has committed, and Inventory should reserve its stock."""
        self.placed_at = at
        self.reservation_expires_at = at + timedelta(minutes=reservation_ttl_minutes)
        self.quantities.expect_publishable()
        items = [events.PlacedItem.of(line) for line in self.lines]
        return events.OrderPlaced.of(
            self, items=items, reservation_ttl_minutes=reservation_ttl_minutes
        )

    @transition(source=Status.PLACED, target=None, emits=events.OrderReservationExtended)
    def extend_reservation(self, *, until: datetime) -> None:
        """Wait longer for the payment: Inventory should keep the stock reserved for as long."""
        self.reservation_expires_at = until

    @transition(
        source=(Status.PLACED, Status.PAID, Status.CONFIRMED),
        target=None,
        emits=events.OrderReserved,
        verb="reservation",
    )
    def reserve(
        self, *, reservation_id: str, allocations: Sequence[AllocationData], backordered: Units
    ) -> Event:
        """Record the warehouses in which Inventory reserved stock, replacing earlier ones.

        If Inventory reserves in parts, only the earlier ones of the same reservation.
        """
        if not self.is_reserved_in_parts:
            self.reservation_id = reservation_id
        for line in self.lines:
            of = reservation_id if self.is_reserved_in_parts else None
            self.delete_part(*line.deallocate(of))
            if line.backordered != backordered.get(line.id, 0):
                line.backordered = backordered.get(line.id, 0)
                self.save_part(line)
        self.is_reserved_in_parts = self.is_reserved_in_parts or bool(backordered)
        self.quantities.expect_allocatable([*self.quantities.allocated(), *allocations])
        self._allocate(reservation_id, allocations)
        allocated = events.StockUnits.of_units(self.quantities, self.quantities.allocated())
        return events.OrderReserved(
            order_id=self.id,
            reservation_id=reservation_id,
            allocations=events.StockUnits.of_plan(self) if self.confirmed_at else allocated,
            backordered=events.LineUnits.of_lines(self.quantities.select(backordered)),
        )

    @transition(
        source=(Status.PLACED, Status.CONFIRMED, Status.PROCESSING),
        target=None,
        emits=events.OrderBackorderReserved,
        verb="reservation",
        guards=[has_backordered_units],
    )
    def reserve_backordered(
        self, *, reservation_id: str, allocations: Sequence[AllocationData]
    ) -> Event:
        """Record the warehouses in which Inventory reserved back-ordered units."""
        self.save_part(*self.quantities.reserve_backordered(count(allocations)))
        self._allocate(reservation_id, allocations)
        return events.OrderBackorderReserved(
            order_id=self.id,
            reservation_id=reservation_id,
            allocations=events.StockUnits.of_units(self.quantities, allocations),
        )

    @transition(source=Status.PLACED, target=Status.PAID, emits=events.OrderPaid)
    def await_reservation(
        self, *, payment_id: str | None, captured: Decimal, due_at: datetime
    ) -> None:
        """Wait for Inventory's reservation: the amount due is captured."""
        self._expect_paid(captured)
        self.payment_id, self.reservation_due_at = payment_id, due_at

    @transition(
        source=(Status.PLACED, Status.PAID),
        target=Status.CONFIRMED,
        emits=events.OrderConfirmed,
    )
    def confirm(self, *, payment_id: str | None, captured: Decimal, at: datetime) -> Event:
        """Confirm the order: the amount due is captured, and Inventory should commit the stock.

        `captured` includes what is authorized, if the organization confirms by that.
        """
        self._expect_paid(captured)
        self.payment_id, self.confirmed_at = payment_id, at
        items = events.StockItem.of_order(self)
        return events.OrderConfirmed.of(self, order_number=self.number, items=items)

    @transition(
        source=[status for status in Status if status not in ("shipped", "delivered", "cancelled")],
        target=Status.CANCELLED,
        emits=events.OrderCancelled,
        verb="cancel",
        guards=[has_shipped_nothing],
    )
    def cancel(self, *, reason: str, note: str, at: datetime, is_paid: bool, held: Stock) -> Event:
        """Cancel the order: Inventory should release its stock, and captured money is refunded."""
        return self._cancel(reason, note, at, is_paid, held)

    @transition(
        source=(Status.PLACED, Status.PAID, Status.CONFIRMED, Status.PROCESSING),
        target=Status.CANCELLED,
        emits=events.OrderCancelled,
        verb="reservation",
        guards=[has_shipped_nothing],
    )
    def reject(self, *, note: str, at: datetime, is_paid: bool, held: Stock) -> Event:
        """Cancel the order because Inventory cannot reserve its stock."""
        return self._cancel(self.CancellationReason.OUT_OF_STOCK, note, at, is_paid, held)

    @transition(
        source=[status for status in Status if status not in ("delivered", "cancelled")],
        target=None,
        emits=events.OrderHeld,
        verb="hold",
        guards=[is_not_held, has_unshipped_units],
    )
    def hold(self, *, reason: str, note: str, at: datetime) -> Event:
        """Put the order on hold: nothing is picked, packed, labeled or dispatched meanwhile."""
        self.hold_reason, self.hold_note = reason, note
        self.held_by, self.held_at = request_context.current().actor, at
        return events.OrderHeld.of(self, reason=reason, note=note)

    @transition(
        source=[status for status in Status if status != "cancelled"],
        target=None,
        emits=events.OrderReleased,
        verb="release",
        guards=[is_held],
    )
    def release(self) -> Event:
        """Release the order from hold, so that its units can be sent."""
        self.hold_reason, self.hold_note, self.held_by, self.held_at = None, "", None, None
        return events.OrderReleased.of(self, released_by=request_context.current().actor)

    @transition(source=Status.CONFIRMED, target=Status.PROCESSING, emits=events.OrderProcessing)
    def start_processing(self, *, warehouse_id: str | None, at: datetime) -> Event:
        """Record that the first warehouse has started to pick."""
        self.processing_at = at
        return events.OrderProcessing(
            order_id=self.id, warehouse_id=warehouse_id, fulfillment_started_at=at
        )

    def ship(self, shipment: ShipmentData) -> None:
        """Record a shipment. Raises UnknownOrderItem, TooManyUnits, InvalidTransition."""
        if self.status == self.Status.SHIPPED:
            self.ship_again(shipment=shipment)
        elif self.quantities.total("unshipped_quantity") == sum(shipment["units"].values()):
            self.ship_rest(shipment=shipment)
        else:
            self.ship_part(shipment=shipment)

    @transition(source=Status.PROCESSING, target=None, emits=events.OrderShipped)
    def ship_part(self, *, shipment: ShipmentData) -> Event:
        """Record a shipment that leaves while other units are still to be shipped."""
        return self._ship(shipment)

    @transition(source=Status.PROCESSING, target=Status.SHIPPED, emits=events.OrderShipped)
    def ship_rest(self, *, shipment: ShipmentData) -> Event:
        """Record a shipment that leaves with the last active units."""
        return self._ship(shipment)

    @transition(source=Status.SHIPPED, target=None, emits=events.OrderShipped)
    def ship_again(self, *, shipment: ShipmentData) -> Event:
        """Record a shipment of units that were in a lost or returned one before."""
        return self._ship(shipment)

    def deliver(self, dispatches: Sequence[Dispatch], proof: DeliveryProof) -> None:
        """Record the delivery of a shipment. Raises InvalidTransition."""
        arrived = sum(dispatch.shipped_quantity for dispatch in dispatches)
        delivered = self.quantities.total("delivered") + arrived
        is_last = delivered == self.quantities.total("active_quantity")
        if self.status == self.Status.SHIPPED and is_last:
            self.deliver_rest(dispatches=dispatches, proof=proof)
        else:
            self.deliver_part(dispatches=dispatches, proof=proof)

    @transition(
        source=(Status.PROCESSING, Status.SHIPPED), target=None, emits=events.OrderPartDelivered
    )
    def deliver_part(self, *, dispatches: Sequence[Dispatch], proof: DeliveryProof) -> Event:
        """Record the delivery of a shipment while other units are not delivered yet."""
        self._deliver(dispatches, proof)
        return events.OrderPartDelivered(
            order_id=self.id, shipment_id=dispatches[0].shipment_id, delivered_at=proof["at"]
        )

    @transition(source=Status.SHIPPED, target=Status.DELIVERED, emits=events.OrderDelivered)
    def deliver_rest(self, *, dispatches: Sequence[Dispatch], proof: DeliveryProof) -> Event:
        """Record the delivery of the shipment with the last active units."""
        self._deliver(dispatches, proof)
        return events.OrderDelivered.of(self, signature=self.delivery_signature)

    @transition(
        source=(Status.PROCESSING, Status.SHIPPED), target=None, emits=events.OrderUnitsReopened
    )
    def reopen_units(
        self, *, dispatches: Sequence[Dispatch], units: Units, warehouse_id: str | None
    ) -> Event:
        """Reopen units of a shipment that were lost or came back: they must be shipped again."""
        self.save_part(*self.quantities.reopen(units), *dispatches)
        for dispatch in dispatches:
            dispatch.reopened_quantity += units.get(dispatch.order_item_id, 0)
        items = events.StockUnits.of_lines(self.quantities.select(units), warehouse_id=warehouse_id)
        shipment_id = dispatches[0].shipment_id
        return events.OrderUnitsReopened(order_id=self.id, shipment_id=shipment_id, items=items)

    def recover_units(self, *, dispatches: Sequence[Dispatch], units: WarehouseUnits) -> None:
        """Count units of a lost shipment that turned up as shipped again.

        If its delivery is recorded already, also as delivered, which may complete the order.
        `units` are by the warehouse that need not send them again.
        """
        is_rest = self.quantities.total("unshipped_quantity") == count(units).total()
        is_last = self.status == self.Status.PROCESSING and is_rest
        recover = self.recover_rest if is_last else self.recover_part
        recover(dispatches=dispatches, units=units)
        if self.status == self.Status.SHIPPED and self.is_all_delivered():
            self.complete()

    @transition(
        source=(Status.PROCESSING, Status.SHIPPED), target=None, emits=events.OrderUnitsRecovered
    )
    def recover_part(self, *, dispatches: Sequence[Dispatch], units: WarehouseUnits) -> Event:
        """Count units of a lost shipment as shipped again while its status stays the same."""
        return self._recover(dispatches, units)

    @transition(source=Status.PROCESSING, target=Status.SHIPPED, emits=events.OrderUnitsRecovered)
    def recover_rest(self, *, dispatches: Sequence[Dispatch], units: WarehouseUnits) -> Event:
        """Count units of a lost shipment as shipped again, which were the last to ship."""
        return self._recover(dispatches, units)

    def write_off(
        self, *, units: WarehouseUnits, reason: str, at: datetime, is_paid: bool, held: Stock
    ) -> None:
        """Write off units that will never ship, and finish the order if none are left to ship.

        `held` is what Inventory holds afterwards. Raises UnknownOrderItem, TooManyUnits.
        """
        is_rest = self.quantities.total("unshipped_quantity") == count(units).total()
        if self.status == self.Status.PROCESSING and is_rest:
            self.write_off_rest(units=units, reason=reason, at=at)
        else:
            self.write_off_part(units=units, reason=reason, at=at)
        if self.is_written_off():
            self.cancel_written_off(reason=reason, at=at, is_paid=is_paid, held=held)
        elif self.status == self.Status.SHIPPED and self.is_all_delivered():
            self.complete()

    @transition(
        source=(Status.CONFIRMED, Status.PROCESSING, Status.SHIPPED),
        target=None,
        emits=events.OrderUnitsWrittenOff,
        verb="write-off",
        guards=[has_unshipped_units],
    )
    def write_off_part(self, *, units: WarehouseUnits, reason: str, at: datetime) -> Event:
        """Write off units that will never ship, and refund what was paid for them."""
        return self._write_off(units, reason, at)

    @transition(
        source=Status.PROCESSING,
        target=Status.SHIPPED,
        emits=events.OrderUnitsWrittenOff,
        verb="write-off",
        guards=[has_unshipped_units],
    )
    def write_off_rest(self, *, units: WarehouseUnits, reason: str, at: datetime) -> Event:
        """Write off every unit that has not been shipped."""
        return self._write_off(units, reason, at)

    @transition(
        source=Status.SHIPPED,
        target=Status.DELIVERED,
        emits=events.OrderDelivered,
        guards=[is_all_delivered],
    )
    def complete(self) -> Event:
        """Complete the order: the last units were written off, or had arrived before."""
        return events.OrderDelivered.of(self, signature=self.delivery_signature)

    @transition(
        source=(Status.CONFIRMED, Status.SHIPPED),
        target=Status.CANCELLED,
        emits=events.OrderCancelled,
        guards=[is_written_off],
    )
    def cancel_written_off(self, *, reason: str, at: datetime, is_paid: bool, held: Stock) -> Event:
        """Cancel the order: every unit was written off."""
        return self._cancel(reason, "", at, is_paid, held)

    @transition(
        source=(Status.PROCESSING, Status.SHIPPED, Status.DELIVERED),
        target=None,
        emits=events.OrderUnitsReturned,
    )
    def record_return(self, *, units: Units) -> Event:
        """Record returned units. The order's status stays as it is."""
        self.save_part(*self.quantities.record_return(units))
        items = events.LineUnits.of_lines(self.quantities.select(units))
        return events.OrderUnitsReturned(order_id=self.id, items=items)

    @transition(
        source=Status,
        target=None,
        emits=events.OrderUnitsReleased,
        verb="release-units",
        guards=[has_unreleased_units],
    )
    def release_units(self, *, write_offs: Sequence[WriteOff], at: datetime) -> Event:
        """Record that an operator released the stock of written-off units in Inventory."""
        for write_off in write_offs:
            write_off.released_at = at
        self.save_part(*write_offs)
        self.is_stock_unreleased = False
        items = events.StockUnits.of_write_offs(write_offs)
        return events.OrderUnitsReleased(order_id=self.id, items=items)

    @transition(source=(Status.DELIVERED, Status.CANCELLED), target=None, emits=CustomerErased)
    def erase(self, *, at: datetime) -> Event:
        """Record that the personal data in the order, and about it, was erased."""
        self.erased_at = at
        return CustomerErased.of(self, order_id=self.id, cart_id=None)

    # What transitions share

    def _allocate(self, reservation_id: str, allocations: Sequence[AllocationData]) -> None:
        for line in self.lines:
            self.save_part(*line.allocate(reservation_id, allocations))
        self.quantities.expect_publishable()

    def _expect_paid(self, captured: Decimal) -> None:
        if captured < self.total and not self.is_on_account:
            paid, total = (money(each, self.currency) for each in (captured, self.total))
            raise NotFullyPaid(f"Only {paid} of {total} {self.currency} is captured for {self.id}.")

    def _ship(self, shipment: ShipmentData) -> Event:
        lines = self.quantities.ship(shipment["units"])
        self.save_part(*lines, *(Dispatch.of(line, shipment) for line in lines))
        self.dispatched_at = self.dispatched_at or shipment["at"]
        return events.OrderShipped.of_shipment(self, shipment)

    def _deliver(self, dispatches: Sequence[Dispatch], proof: DeliveryProof) -> None:
        """Count the units; the order keeps the proof of its latest delivery."""
        units = {dispatch.order_item_id: dispatch.shipped_quantity for dispatch in dispatches}
        self.save_part(*self.quantities.deliver(units), *dispatches)
        at = proof["at"]
        for dispatch in dispatches:
            dispatch.delivered_at = at
        if self.delivered_at is None or at >= self.delivered_at:
            self.delivered_at = at
            self.delivery_signature = proof["signature"]
            self.delivery_photo_url = proof["photo_url"]

    def _recover(self, dispatches: Sequence[Dispatch], units: WarehouseUnits) -> Event:
        quantities = count(units)
        self.save_part(*self.quantities.ship(quantities), *dispatches)
        if dispatches[0].delivered_at:
            self.quantities.deliver(quantities)
        for dispatch in dispatches:
            dispatch.reopened_quantity -= quantities[dispatch.order_item_id]
        items = events.StockUnits.of_units(self.quantities, units)
        shipment_id = dispatches[0].shipment_id
        return events.OrderUnitsRecovered(order_id=self.id, shipment_id=shipment_id, items=items)

    def _write_off(self, units: WarehouseUnits, reason: str, at: datetime) -> Event:
        """Count the units. If the event is published, Inventory releases those that it holds."""
        is_released = is_published(events.OrderUnitsWrittenOff)
        for line, quantity in self.quantities.select(count(units)):
            line.expect_available(quantity, line.unshipped_quantity)
            self.save_part(line)
        rows = [
            (WriteOff.of(self.quantities.write_off(each), each, reason, at, is_released), each)
            for each in units
        ]
        held = [write_off for write_off, each in rows if not each["is_backordered"]]
        backordered = [write_off for write_off, each in rows if each["is_backordered"]]
        self.save_part(*held, *backordered)
        if held and not is_released:
            self.is_stock_unreleased = True
        return events.OrderUnitsWrittenOff.of_write_offs(self, reason, held, backordered)

    def _cancel(self, reason: str, note: str, at: datetime, is_paid: bool, held: Stock) -> Event:
        if self.is_reserved_in_parts:
            for line in self.lines:
                line.backordered = 0
            self.save_part(*self.lines)
        self.cancellation_reason, self.cancellation_note = reason, note
        self.cancelled_by, self.cancelled_at = request_context.current().actor, at
        stock = events.StockItem.of_stock(held)
        return events.OrderCancelled.of(self, refund_required=is_paid, stock_to_release=stock)
