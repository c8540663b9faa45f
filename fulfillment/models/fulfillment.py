"""The life of a fulfillment on one page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from config.core import request_context
from events.aggregate import transition
from events.schema import Event
from fulfillment import events
from fulfillment.exceptions import OtherWarehouse, WarehouseRequired
from fulfillment.models.parts import FulfillmentItem
from fulfillment.models.record import FulfillmentRecord

Units = Mapping[str, int]  # how many of which line, by the id of the order's line


class Fulfillment(FulfillmentRecord):
    """What one warehouse sends of an order."""

    created_event = events.FulfillmentOpened
    Status = FulfillmentRecord.Status

    def is_all_looked_for(self) -> bool:
        """every unit is picked or reported short"""
        return not any(line.unpicked for line in self.lines)

    def has_picked_something(self) -> bool:
        """something is picked; move or write off what is short"""
        return any(line.picked for line in self.lines)

    def has_units_to_move(self) -> bool:
        """some units are not picked"""
        return any(line.quantity > line.picked for line in self.lines)

    def has_short_units(self) -> bool:
        """some units are reported short"""
        return any(line.short for line in self.lines)

    @classmethod
    def open(cls, *, order: Any, warehouse_id: str | None, units: Units) -> "Fulfillment":
        """A warehouse is to send these units; they are lines of the order."""
        fulfillment = cls(
            order_id=order.id, organization_id=order.organization_id, warehouse_id=warehouse_id
        )
        fulfillment.lines = []
        for item, quantity in units.items():
            fulfillment.add(order.line(item), quantity)
        fulfillment.record(
            events.FulfillmentOpened(
                fulfillment_id=fulfillment.id,
                order_id=order.id,
                warehouse_id=warehouse_id,
                items=events.LineUnits.of(units),
            )
        )
        return fulfillment

    @transition(
        source=Status.OPEN,
        target=Status.STARTED,
        emits=events.FulfillmentStarted,
        verb="start",
    )
    def start(self, *, assigned_to: str, warehouse_id: str | None, at: datetime) -> None:
        """Somebody goes to pick it. Raises WarehouseRequired, OtherWarehouse."""
        self.warehouse_id = self.warehouse_id or warehouse_id
        if self.warehouse_id is None:
            raise WarehouseRequired(f"Nobody knows yet where {self.id} is picked: warehouse_id.")
        if warehouse_id not in (None, self.warehouse_id):
            raise OtherWarehouse(
                f"{self.id} is picked in {self.warehouse_id}: move its units to {warehouse_id}."
            )
        self.assigned_to, self.started_at = assigned_to, at

    @transition(
        source=Status.STARTED,
        target=None,
        emits=events.FulfillmentItemPicked,
        verb="pick",
    )
    def pick(self, *, order_item_id: str, quantity: int, scan_id: str, at: datetime) -> Event:
        """Units were taken from the shelf, maybe after all. Raises UnknownItem, TooManyUnits."""
        line = self.line(order_item_id)
        left = line.quantity - line.picked
        line.expect(quantity, at_most=left, what="are still to be picked")
        self.count(line, picked=quantity, short=-max(0, quantity - line.unpicked))
        self.keep_scan(scan_id, line, quantity=quantity, picked_at=at)
        return events.FulfillmentItemPicked.of(self, line, quantity=quantity, picked_at=at)

    @transition(
        source=(Status.STARTED, Status.PACKED),
        target=None,
        emits=events.FulfillmentItemShort,
        verb="short",
    )
    def report_short(
        self,
        *,
        order_item_id: str,
        quantity: int,
        scan_id: str,
        reason: str,
        sent: Units,
        at: datetime,
    ) -> Event:
        """Units are not to be found, or turn out unfit after they were picked.

        `sent` are those in a shipment already. Raises UnknownItem, TooManyUnits.
        """
        line = self.line(order_item_id)
        here = line.unpicked + line.picked - sent.get(order_item_id, 0)
        line.expect(quantity, at_most=here, what="are")
        put_back = max(0, quantity - line.unpicked)
        self.count(line, short=quantity, picked=-put_back)
        self.keep_scan(scan_id, line, quantity=quantity, short_reason=reason, picked_at=at)
        return events.FulfillmentItemShort(
            fulfillment_id=self.id,
            order_id=self.order_id,
            order_item_id=order_item_id,
            quantity=quantity,
            reason=reason,
            reported_by=request_context.current().actor,
        )

    @transition(source=FulfillmentRecord.LIVE, target=None, emits=events.FulfillmentUnitsAssigned)
    def assign(self, *, order: Any, units: Units, reason: Any) -> Event:
        """More units of the order's lines are to be sent from here."""
        for item, quantity in units.items():
            self.add(order.line(item), quantity)
        return events.FulfillmentUnitsAssigned(
            fulfillment_id=self.id,
            order_id=self.order_id,
            reason=reason,
            items=events.LineUnits.of(units),
        )

    @transition(
        source=(Status.OPEN, Status.STARTED, Status.PACKED),
        target=None,
        emits=events.FulfillmentUnitsWithdrawn,
        verb="move",
        guards=[has_units_to_move],
    )
    def withdraw(self, *, units: Units, reason: Any) -> Event:
        """Fewer units are to be sent from here. Raises UnknownItem, TooManyUnits."""
        for line, quantity in self.lines_of(units):
            line.expect(quantity, at_most=line.quantity - line.picked, what="are not picked")
            self.forgo(line, quantity)
        return events.FulfillmentUnitsWithdrawn(
            fulfillment_id=self.id,
            order_id=self.order_id,
            reason=reason,
            items=events.LineUnits.of(units),
        )

    @transition(
        source=(Status.STARTED, Status.PACKED),
        target=None,
        emits=events.FulfillmentUnitsShort,
        verb="write-off",
        guards=[has_short_units],
    )
    def write_off(self, *, units: Units) -> Event:
        """What is short here no other warehouse has. Raises UnknownItem, TooManyUnits."""
        for line, quantity in self.lines_of(units):
            line.expect(quantity, at_most=line.short, what="are reported short")
            self.forgo(line, quantity)
        return events.FulfillmentUnitsShort(
            fulfillment_id=self.id,
            order_id=self.order_id,
            items=events.LineUnits.of(units),
        )

    @transition(
        source=Status.STARTED,
        target=Status.PACKED,
        emits=events.FulfillmentPacked,
        verb="pack",
        guards=[is_all_looked_for, has_picked_something],
    )
    def pack(self, *, packages: Sequence[Mapping[str, Any]], at: datetime) -> None:
        """Everything that was found is in its packages: kilograms, and centimetres if known."""
        self.packages = [dict(package) for package in packages]
        self.total_weight = sum((Decimal(package["weight"]) for package in packages), Decimal(0))
        self.packed_by, self.packed_at = request_context.current().actor, at

    @transition(source=Status.PACKED, target=None, emits=events.FulfillmentUnitsLost)
    def lose(self, *, units: Units, shipment_id: str) -> Event:
        """A shipment with these units is lost, or has come back: they are packed no more."""
        for line, quantity in self.lines_of(units):
            self.count(line, lost=quantity)
        return events.FulfillmentUnitsLost(
            fulfillment_id=self.id,
            order_id=self.order_id,
            shipment_id=shipment_id,
            items=events.LineUnits.of(units),
        )

    @transition(
        source=FulfillmentRecord.LIVE,
        target=Status.CANCELLED,
        emits=events.FulfillmentCancelled,
    )
    def cancel(self, *, reason: str, at: datetime) -> Event:
        """Nothing is to be sent from here any more."""
        self.cancelled_at, self.cancellation_reason = at, reason
        return events.FulfillmentCancelled(
            fulfillment_id=self.id, order_id=self.order_id, reason=reason
        )

    def forgo(self, line: FulfillmentItem, quantity: int) -> None:
        """Send fewer units of a line: first of those that are short anyway."""
        self.count(line, quantity=-quantity, short=-min(quantity, line.short))
