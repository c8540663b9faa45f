"""What becomes of an order's units: where they come from, and how far they have come."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from config.core import request_context
from config.core.money import money
from events.schema import MAX_BODY
from orders.events import LineUnits, OrderShipped, OrderUnitsWrittenOff, StockItem
from orders.exceptions import OrderTooLarge, UnitsArePicked, UnknownItem
from orders.models.parts import Allocation, Dispatch, OrderItem, WriteOff
from orders.models.record import OrderRecord

PLACE = 64  # bytes of JSON around the ids of a unit's place


class OrderUnits(OrderRecord):
    """Counting. Every unit is in one place at a time, and no unit counts twice."""

    class Meta(OrderRecord.Meta):
        abstract = True

    def has_arrived(self) -> bool:
        """every unit that is not written off has been delivered"""
        return all(line.delivered == line.live for line in self.lines)

    def has_no_live_unit(self) -> bool:
        """every unit is written off"""
        return not any(line.live for line in self.lines)

    def has_dispatched_nothing(self) -> bool:
        """nothing has been dispatched; units that will not ship can be written off"""
        return self.dispatched_at is None

    def has_units_to_ship(self) -> bool:
        """some units have not left yet"""
        return any(line.to_ship for line in self.lines)

    def has_unreleased_units(self) -> bool:
        """some units are written off, of which nobody has told Inventory yet"""
        return bool(self.write_offs.filter(released_at__isnull=True).exists())

    def is_allocated_as(self, allocations: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether the same allocation has been recorded before."""
        given = {(a["order_item_id"], a["warehouse_id"], a["quantity"]) for a in allocations}
        return given == {
            (line.id, allocation.warehouse_id, allocation.quantity)
            for line in self.lines
            for allocation in line.allocated
        }

    def allocate(self, allocations: Sequence[Mapping[str, Any]]) -> None:
        """Replace the allocation. Raises UnknownItem, TooManyUnits."""
        units = Counter[str]()
        for allocation in allocations:
            units[allocation["order_item_id"]] += allocation["quantity"]
        for line, quantity in self.lines_of(units):
            line.expect(quantity, at_most=line.live)
        for line in self.lines:
            self.delete_part(*line.allocated)
            line.allocated = []
        for allocation in allocations:
            self.line(allocation["order_item_id"]).allocated.append(Allocation(**allocation))
        self.save_part(*(a for line in self.lines for a in line.allocated))
        self.expect_to_fit()

    def expect_to_fit(self) -> None:
        """Refuse so many places that a later event, which names each, could not be sent."""
        places = StockItem.live(self)
        size = sum(len(f"{p.variant_id}{p.warehouse_id}".encode()) + PLACE for p in places)
        if 2 * size > MAX_BODY:  # an escaped character takes two bytes
            raise OrderTooLarge(
                f"{self.id} has too many lines and warehouses ({len(places)}) for one order: "
                "split it."
            )

    def line(self, item_id: str) -> OrderItem:
        """Return a line by its id. Raises UnknownItem."""
        for line in self.lines:
            if line.id == item_id:
                return line
        raise UnknownItem(f"{self.id} has no item {item_id}.")

    def lines_of(self, units: Mapping[str, int]) -> list[tuple[OrderItem, int]]:
        """Return lines with how many units of each are meant. Raises UnknownItem."""
        return [(self.line(item_id), quantity) for item_id, quantity in units.items()]

    def count(self, item_id: str, **units: int) -> None:
        """Move a line's counters: `count(item_id, shipped=2)`."""
        line = self.line(item_id)
        for counter, by in units.items():
            setattr(line, counter, getattr(line, counter) + by)
        self.save_part(line)

    def expect_unpicked(self, units: Mapping[str, int], picked: Mapping[str, int]) -> None:
        """Refuse to write off what somebody has in hand. Raises UnknownItem, UnitsArePicked."""
        for line, quantity in self.lines_of(units):
            if line.to_ship >= quantity > line.unpicked(picked):
                raise UnitsArePicked(
                    f"Of {line.id}, {line.unpicked(picked)} units are not picked; {quantity} were "
                    "asked for. Report those that will not be sent as short in their fulfillment."
                )

    def dispatch(
        self,
        *,
        shipment_id: str,
        warehouse_id: str | None,
        carrier: str,
        tracking_number: str | None,
        estimated_delivery: date | None,
        units: Mapping[str, int],
        at: datetime,
    ) -> OrderShipped:
        """Count what leaves, and remember in which shipment."""
        for line, quantity in self.lines_of(units):
            line.expect(quantity, at_most=line.to_ship)
            self.count(line.id, shipped=quantity)
            self.save_part(
                Dispatch(
                    order_id=self.pk, order_item=line, shipment_id=shipment_id, quantity=quantity
                )
            )
        self.dispatched_at = self.dispatched_at or at
        return OrderShipped(
            order_id=self.id,
            shipment_id=shipment_id,
            carrier=carrier,
            tracking_number=tracking_number,
            shipped_at=at,
            estimated_delivery=estimated_delivery,
            shipped_items=[
                StockItem(variant_id=line.variant_id, quantity=quantity, warehouse_id=warehouse_id)
                for line, quantity in self.lines_of(units)
            ],
        )

    def arrive(
        self,
        dispatches: Sequence[Dispatch],
        *,
        signature: str | None,
        photo_url: str | None,
        at: datetime,
    ) -> None:
        """Count what arrives; the proof of the latest delivery is the order's."""
        for dispatch in dispatches:
            self.count(dispatch.order_item_id, delivered=dispatch.quantity)
            dispatch.delivered_at = at
        self.save_part(*dispatches)
        if self.delivered_at is None or at >= self.delivered_at:
            self.delivered_at = at
            self.delivery_signature, self.delivery_photo_url = signature, photo_url

    def strike(self, units: Mapping[str, int], reason: str, at: datetime) -> OrderUnitsWrittenOff:
        """Count what will never leave, and what was paid for it."""
        written_off = []
        for line, quantity in self.lines_of(units):
            line.expect(quantity, at_most=line.to_ship)
            before = line.paid_for_cancelled()
            self.count(line.id, cancelled=quantity)
            written_off.append(
                WriteOff(
                    order_id=self.pk,
                    order_item=line,
                    quantity=quantity,
                    reason=reason,
                    amount=line.paid_for_cancelled() - before,
                    written_off_at=at,
                    written_off_by=request_context.current().actor,
                )
            )
        self.save_part(*written_off)
        amount = sum((part.amount for part in written_off), Decimal(0))
        return OrderUnitsWrittenOff(
            order_id=self.id,
            reason=reason,
            items=LineUnits.of(units),
            amount=money(amount, self.currency),
            currency=self.currency,
        )
