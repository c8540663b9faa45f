"""The life of an order on one page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from config.core import request_context
from config.core.money import money
from events.aggregate import transition
from events.schema import Event
from orders import events
from orders.exceptions import NoItems, NotFullyPaid
from orders.models.parts import Dispatch, OrderItem, WriteOff
from orders.models.units import OrderUnits

Units = Mapping[str, int]  # how many of which line, by the line's id


class Order(OrderUnits):
    """What somebody buys. Lines and prices are fixed; a change is cancel-and-replace."""

    created_event = events.OrderCreated
    Status = OrderUnits.Status

    def has_a_destination(self) -> bool:
        """the order has a shipping address, or a shop (local_id) where it is handed over"""
        return bool(self.shipping_address or self.local_id)

    def is_not_held(self) -> bool:
        """the order is not on hold"""
        return self.held_at is None

    def is_held(self) -> bool:
        """the order is on hold"""
        return self.held_at is not None

    @classmethod
    def open(cls, *, items: Sequence[Mapping[str, Any]], **fields: Any) -> "Order":
        """Somebody wants to buy; its lines and prices are fixed from here on."""
        if not items:
            raise NoItems("An order has at least one item.")
        order = cls(**fields)
        order.lines = [
            OrderItem(order=order, position=n, **item) for n, item in enumerate(items, 1)
        ]
        order.save_part(*order.lines)
        for line in order.lines:
            line.allocated = []
        order.price()
        order.record(events.OrderCreated.of(order))
        return order

    @transition(
        source=Status.PENDING,
        target=Status.PLACED,
        emits=events.OrderPlaced,
        verb="place",
        guards=[has_a_destination],
    )
    def place(self, *, reservation_ttl_minutes: int, at: datetime) -> Event:
        """The customer has committed; stock is reserved for as long as paying may take."""
        self.placed_at = at
        self.reservation_expires_at = at + timedelta(minutes=reservation_ttl_minutes)
        self.expect_to_fit()
        return events.OrderPlaced.of(self, reservation_ttl_minutes=reservation_ttl_minutes)

    @transition(
        source=(Status.PLACED, Status.CONFIRMED),
        target=None,
        emits=events.OrderReserved,
        verb="reservation",
    )
    def reserve(self, *, reservation_id: str, allocations: Sequence[Mapping[str, Any]]) -> Event:
        """Inventory says where the units come from; a later word replaces an earlier one."""
        self.reservation_id = reservation_id
        self.allocate(allocations)
        return events.OrderReserved(
            order_id=self.id,
            reservation_id=reservation_id,
            allocations=[events.AllocatedUnits(**allocation) for allocation in allocations],
        )

    @transition(source=Status.PLACED, target=Status.CONFIRMED, emits=events.OrderConfirmed)
    def confirm(self, *, payment_id: str | None, captured: Decimal, at: datetime) -> Event:
        """The amount due is captured and the stock is committed."""
        if captured < self.total:
            raise NotFullyPaid(
                f"{self.id} costs {money(self.total, self.currency)} {self.currency}, "
                f"of which {money(captured, self.currency)} is paid."
            )
        self.payment_id, self.confirmed_at = payment_id, at
        return events.OrderConfirmed.of(self, payment_id=payment_id, confirmed_at=at)

    @transition(
        source=(Status.PENDING, Status.PLACED, Status.CONFIRMED, Status.PROCESSING),
        target=Status.CANCELLED,
        emits=events.OrderCancelled,
        verb="cancel",
        guards=[OrderUnits.has_dispatched_nothing],
    )
    def cancel(self, *, reason: str, note: str, at: datetime, is_paid: bool) -> Event:
        """It will not be delivered: stock is released, and what was paid is given back."""
        return self.end(reason, note, at, is_paid)

    @transition(
        source=(Status.PLACED, Status.CONFIRMED, Status.PROCESSING),
        target=Status.CANCELLED,
        emits=events.OrderCancelled,
        verb="reservation",
        guards=[OrderUnits.has_dispatched_nothing],
    )
    def reject(self, *, note: str, at: datetime, is_paid: bool) -> Event:
        """Inventory has not got what was to be reserved."""
        return self.end(self.CancellationReason.OUT_OF_STOCK, note, at, is_paid)

    @transition(
        source=(Status.PENDING, Status.PLACED, Status.CONFIRMED, Status.PROCESSING, Status.SHIPPED),
        target=None,
        emits=events.OrderHeld,
        verb="hold",
        guards=[is_not_held, OrderUnits.has_units_to_ship],
    )
    def hold(self, *, reason: str, note: str, at: datetime) -> Event:
        """Somebody wants to look at it before fulfillment starts."""
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
    def release(self) -> None:
        """It may go on."""
        self.hold_reason, self.hold_note, self.held_by, self.held_at = None, "", None, None

    @transition(
        source=Status.CONFIRMED,
        target=Status.PROCESSING,
        emits=events.OrderProcessing,
    )
    def start_processing(self, *, warehouse_id: str | None, at: datetime) -> Event:
        """The first warehouse has begun to pick."""
        self.processing_at = at
        return events.OrderProcessing(
            order_id=self.id, warehouse_id=warehouse_id, fulfillment_started_at=at
        )

    def ship(self, *, units: Units, **shipment: Any) -> None:
        """Units have left in a shipment, of which the rest of the facts are given."""
        if self.status == self.Status.SHIPPED:
            self.ship_again(units=units, **shipment)
        elif sum(line.to_ship for line in self.lines) == sum(units.values()):
            self.ship_rest(units=units, **shipment)
        else:
            self.ship_part(units=units, **shipment)

    @transition(source=Status.PROCESSING, target=None, emits=events.OrderShipped)
    def ship_part(self, **shipment: Any) -> Event:
        """Some units have left, others have not."""
        return self.dispatch(**shipment)

    @transition(source=Status.PROCESSING, target=Status.SHIPPED, emits=events.OrderShipped)
    def ship_rest(self, **shipment: Any) -> Event:
        """With this shipment every live unit has left."""
        return self.dispatch(**shipment)

    @transition(source=Status.SHIPPED, target=None, emits=events.OrderShipped)
    def ship_again(self, **shipment: Any) -> Event:
        """Units that were lost or came back have left once more."""
        return self.dispatch(**shipment)

    def deliver(self, *, dispatches: Sequence[Dispatch], **proof: Any) -> None:
        """A shipment has arrived, of which the units and the proof are given."""
        arrived = sum(line.delivered for line in self.lines) + sum(d.quantity for d in dispatches)
        if self.status == self.Status.SHIPPED and arrived == sum(line.live for line in self.lines):
            self.deliver_rest(dispatches=dispatches, **proof)
        else:
            self.deliver_part(dispatches=dispatches, **proof)

    @transition(
        source=(Status.PROCESSING, Status.SHIPPED), target=None, emits=events.OrderPartDelivered
    )
    def deliver_part(self, *, dispatches: Sequence[Dispatch], at: datetime, **proof: Any) -> Event:
        """Some units have arrived, others have not."""
        self.arrive(dispatches, at=at, **proof)
        return events.OrderPartDelivered(
            order_id=self.id, shipment_id=dispatches[0].shipment_id, delivered_at=at
        )

    @transition(source=Status.SHIPPED, target=Status.DELIVERED, emits=events.OrderDelivered)
    def deliver_rest(self, *, dispatches: Sequence[Dispatch], **proof: Any) -> None:
        """With this shipment every live unit has arrived."""
        self.arrive(dispatches, **proof)

    @transition(
        source=(Status.PROCESSING, Status.SHIPPED), target=None, emits=events.OrderUnitsReopened
    )
    def reopen_units(self, *, dispatches: Sequence[Dispatch], at: datetime) -> Event:
        """A shipment was lost or came back: its units are to be sent again or written off."""
        for dispatch in dispatches:
            self.count(dispatch.order_item_id, shipped=-dispatch.quantity)
            dispatch.reopened_at = at
        self.save_part(*dispatches)
        return events.OrderUnitsReopened(
            order_id=self.id,
            shipment_id=dispatches[0].shipment_id,
            items=events.LineUnits.of({d.order_item_id: d.quantity for d in dispatches}),
        )

    def write_off(
        self, *, units: Units, reason: str, at: datetime, is_paid: bool, picked: Units
    ) -> None:
        """Units will never ship; the order ends here if they were the last open ones.

        Raises UnitsArePicked where only picked ones are left.
        """
        self.expect_unpicked(units, picked)
        everything = sum(line.to_ship for line in self.lines) == sum(units.values())
        if self.status == self.Status.PROCESSING and everything:
            self.write_off_rest(units=units, reason=reason, at=at)
        else:
            self.write_off_part(units=units, reason=reason, at=at)
        if self.has_no_live_unit():
            self.give_up(reason=reason, at=at, is_paid=is_paid)
        elif self.status == self.Status.SHIPPED and self.has_arrived():
            self.complete()

    @transition(
        source=(Status.CONFIRMED, Status.PROCESSING, Status.SHIPPED),
        target=None,
        emits=events.OrderUnitsWrittenOff,
        verb="write-off",
        guards=[OrderUnits.has_units_to_ship],
    )
    def write_off_part(self, *, units: Units, reason: str, at: datetime) -> Event:
        """Some units will never ship; their money goes back."""
        return self.strike(units, reason, at)

    @transition(
        source=Status.PROCESSING,
        target=Status.SHIPPED,
        emits=events.OrderUnitsWrittenOff,
        verb="write-off",
        guards=[OrderUnits.has_units_to_ship],
    )
    def write_off_rest(self, *, units: Units, reason: str, at: datetime) -> Event:
        """Whatever has not left yet never will."""
        return self.strike(units, reason, at)

    @transition(
        source=Status.SHIPPED,
        target=Status.DELIVERED,
        emits=events.OrderDelivered,
        guards=[OrderUnits.has_arrived],
    )
    def complete(self) -> None:
        """What was still open is written off, and the rest had arrived before."""

    @transition(
        source=(Status.CONFIRMED, Status.SHIPPED),
        target=Status.CANCELLED,
        emits=events.OrderCancelled,
        guards=[OrderUnits.has_no_live_unit],
    )
    def give_up(self, *, reason: str, at: datetime, is_paid: bool) -> Event:
        """Every unit is written off, so nothing will ever arrive."""
        return self.end(reason, "", at, is_paid)

    @transition(
        source=(Status.PROCESSING, Status.SHIPPED, Status.DELIVERED),
        target=None,
        emits=events.OrderUnitsReturned,
    )
    def count_returned(self, *, units: Units) -> Event:
        """The customer has sent units back; what the order was stays what it was."""
        for line, quantity in self.lines_of(units):
            line.expect(quantity, at_most=line.delivered - line.returned)
            self.count(line.id, returned=quantity)
        return events.OrderUnitsReturned(order_id=self.id, items=events.LineUnits.of(units))

    @transition(
        source=Status,
        target=None,
        emits=events.OrderUnitsReleased,
        guards=[OrderUnits.has_unreleased_units],
    )
    def release_units(self, *, write_offs: Sequence[WriteOff], at: datetime) -> Event:
        """Somebody has told Inventory by hand to release what was written off."""
        units = Counter[str]()
        for write_off in write_offs:
            units[write_off.order_item_id] += write_off.quantity
            write_off.released_at = at
        self.save_part(*write_offs)
        return events.OrderUnitsReleased(order_id=self.id, items=events.LineUnits.of(units))
