"""The fulfillment: its columns, its units, and its transitions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from config.core import request_context
from config.core.ids import PublicIdField
from events.aggregate import Aggregate, PartList, transition
from events.schema import Event
from fulfillment import events
from fulfillment.exceptions import NotInFulfillment, OtherWarehouse, WarehouseRequired
from fulfillment.models.parts import FulfillmentItem, Pick
from orders.events import LineUnits

if TYPE_CHECKING:
    from orders.models import Order, OrderItem

Units = Mapping[str, int]  # quantities by the id of the order line

STATUS_HAS_ITS_TIMESTAMPS = (
    Q(status="open", started_at=None, packed_at=None, cancelled_at=None)
    | Q(
        Q(status="started", packed_at=None, cancelled_at=None),
        started_at__isnull=False,
        warehouse_id__isnull=False,
    )
    | Q(
        Q(status="packed", cancelled_at=None),
        packed_at__isnull=False,
        total_weight__isnull=False,
    )
    | Q(status="cancelled", cancelled_at__isnull=False)
)


class Fulfillment(Aggregate):
    """The units of an order that one warehouse picks and packs."""

    class Status(models.TextChoices):
        OPEN = "open"
        STARTED = "started"
        PACKED = "packed"
        CANCELLED = "cancelled"

    created_event = events.FulfillmentOpened
    terminal_statuses = frozenset({Status.PACKED, Status.CANCELLED})
    stream_field = "order_id"
    UNPACKED = (Status.OPEN, Status.STARTED)  # units may be added

    id = PublicIdField("ful")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+")
    warehouse_id = models.CharField(max_length=64, null=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    assigned_to = models.CharField(max_length=150, null=True)
    started_at = models.DateTimeField(null=True)
    packages = models.JSONField(default=list)  # weight in kg; length, width and height in cm
    total_weight = models.DecimalField(max_digits=9, decimal_places=3, null=True)  # kg
    packed_by = models.CharField(max_length=150, null=True)
    packed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancellation_reason = models.CharField(max_length=32, default="")
    to_unpack = models.BooleanField(default=False)  # picked units must go back on the shelf
    lines = PartList[FulfillmentItem]("items")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "warehouse_id"],
                name="one_fulfillment_per_warehouse",
                condition=Q(status__in=("open", "started")),
            ),
            models.UniqueConstraint(
                fields=["order"],
                name="one_fulfillment_without_a_warehouse",
                condition=Q(status__in=("open", "started"), warehouse_id=None),
            ),
            models.CheckConstraint(
                condition=STATUS_HAS_ITS_TIMESTAMPS, name="fulfillment_timestamps"
            ),
            models.CheckConstraint(
                condition=Q(to_unpack=False) | Q(status="cancelled"),
                name="fulfillment_to_unpack_is_cancelled",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="fulfillment_list"),
            models.Index(fields=["status", "organization_id", "-id"], name="fulfillment_status"),
            models.Index(fields=["organization_id", "updated_at"], name="fulfillment_updated"),
            models.Index(
                fields=["assigned_to", "organization_id", "-id"],
                name="fulfillment_assigned_to",
                condition=Q(assigned_to__isnull=False),
            ),
            models.Index(fields=["order"], name="fulfillment_order"),
            models.Index(fields=["warehouse_id", "-id"], name="fulfillment_warehouse"),
            models.Index(
                fields=["-id"],
                name="fulfillment_unpacked",
                condition=Q(status__in=("open", "started")),
            ),
            models.Index(fields=["-id"], name="fulfillment_to_unpack", condition=Q(to_unpack=True)),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def unfinished(cls) -> Q:
        """Return which fulfillments are not at their end; one that is to be unpacked is not."""
        return super().unfinished() | Q(to_unpack=True)

    @property
    def quantities(self) -> Counter[str]:
        """The assigned quantities by order line."""
        return Counter({line.order_item_id: line.quantity for line in self.lines})

    @property
    def movable_quantities(self) -> Counter[str]:
        """The quantities that can be moved to another warehouse or withdrawn, by order line."""
        return Counter({line.order_item_id: line.movable_quantity for line in self.lines})

    def line(self, order_item_id: str) -> FulfillmentItem:
        """Return the line with units of an order line. Raises NotInFulfillment."""
        for line in self.lines:
            if line.order_item_id == order_item_id:
                return line
        raise NotInFulfillment(f"{self.pk} has no units of {order_item_id}.")

    def is_empty(self) -> bool:
        """no unit is assigned"""
        return not any(line.quantity for line in self.lines)

    def is_picking_finished(self) -> bool:
        """every unit is picked or reported short"""
        return not any(line.unpicked_quantity for line in self.lines)

    def has_picked_units(self) -> bool:
        """at least one unit is picked; move or write off short units"""
        return any(line.picked_quantity for line in self.lines)

    @property
    def present_units(self) -> dict[str, int]:
        """The units that are picked and not lost, by order line."""
        units = {line.order_item_id: line.present_quantity for line in self.lines}
        return {item: quantity for item, quantity in units.items() if quantity}

    def must_be_unpacked(self) -> bool:
        """picked units are not back on the shelf"""
        return self.to_unpack

    def has_movable_units(self) -> bool:
        """at least one unit is not picked"""
        return any(line.movable_quantity for line in self.lines)

    def has_short_units(self) -> bool:
        """at least one unit is reported short"""
        return any(line.short_quantity for line in self.lines)

    def order_is_not_held(self) -> bool:
        """its order is not on hold"""
        return self.order.is_not_held()

    @classmethod
    def open(cls, *, order: "Order", warehouse_id: str | None, units: Units) -> "Fulfillment":
        """Create a fulfillment with units of the order's lines."""
        fulfillment = cls(
            order=order, organization_id=order.organization_id, warehouse_id=warehouse_id
        )
        fulfillment.lines = []
        for item, quantity in units.items():
            fulfillment._add(order.quantities.line(item), quantity)
        fulfillment.record(
            events.FulfillmentOpened.of(fulfillment, items=fulfillment._line_units(units))
        )
        return fulfillment

    @transition(
        source=Status.OPEN,
        target=Status.STARTED,
        emits=events.FulfillmentStarted,
        verb="start",
        guards=[order_is_not_held],
    )
    def start(self, *, assigned_to: str, warehouse_id: str | None, at: datetime) -> None:
        """Start picking in the warehouse. Raises WarehouseRequired, OtherWarehouse."""
        if self.warehouse_id is None:
            if warehouse_id is None:
                raise WarehouseRequired(
                    f"warehouse_id is required: {self.id} has no warehouse yet."
                )
            self._place(warehouse_id)
        if warehouse_id not in (None, self.warehouse_id):
            raise OtherWarehouse(
                f"{self.id} is assigned to {self.warehouse_id}: move its units to {warehouse_id}."
            )
        self.assigned_to, self.started_at = assigned_to, at

    @transition(
        source=Status.STARTED,
        target=None,
        emits=events.FulfillmentItemPicked,
        verb="pick",
        guards=[order_is_not_held],
    )
    def pick(self, *, order_item_id: str, quantity: int, scan_id: str, at: datetime) -> Event:
        """Record picked units. Raises NotInFulfillment, TooManyFulfillmentUnits."""
        line = self.line(order_item_id)
        line.pick(quantity)
        self._record_scan(line, scan_id=scan_id, quantity=quantity, at=at)
        return events.FulfillmentItemPicked.of(
            line,
            order_id=self.order_id,
            quantity_picked=quantity,
            picked_by=request_context.current().actor,
            picked_at=at,
        )

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
        shipped: Units,
        at: datetime,
    ) -> Event:
        """Report missing or unusable units; `shipped` are the units that are in shipments.

        Raises NotInFulfillment, TooManyFulfillmentUnits.
        """
        line = self.line(order_item_id)
        line.report_short(quantity, shipped_quantity=shipped.get(order_item_id, 0))
        self._record_scan(line, scan_id=scan_id, quantity=quantity, at=at, short_reason=reason)
        return events.FulfillmentItemShort.of(
            self,
            order_item_id=order_item_id,
            variant_id=line.variant_id,
            quantity=quantity,
            reason=reason,
            reported_by=request_context.current().actor,
        )

    @transition(source=UNPACKED, target=None, emits=events.FulfillmentUnitsAssigned)
    def assign(self, *, order: "Order", units: Units, reason: events.AssignmentReason) -> Event:
        """Assign more units of the order's lines to the warehouse."""
        for item, quantity in units.items():
            self._add(order.quantities.line(item), quantity)
        return events.FulfillmentUnitsAssigned.of(
            self, reason=reason, items=self._line_units(units)
        )

    @transition(
        source=(Status.OPEN, Status.STARTED, Status.PACKED),
        target=None,
        emits=events.FulfillmentUnitsMoved,
        verb="move",
        guards=[has_movable_units],
    )
    def move(self, *, units: Units, to_warehouse_id: str | None) -> Event:
        """Leave units to another warehouse. Raises NotInFulfillment, TooManyFulfillmentUnits."""
        self._withdraw(units)
        return events.FulfillmentUnitsMoved.of(
            self, to_warehouse_id=to_warehouse_id, items=self._line_units(units)
        )

    @transition(
        source=(Status.OPEN, Status.STARTED, Status.PACKED),
        target=None,
        emits=events.FulfillmentUnitsWithdrawn,
        guards=[has_movable_units],
    )
    def withdraw(self, *, units: Units, reason: events.WithdrawalReason) -> Event:
        """Withdraw units from the warehouse. Raises NotInFulfillment, TooManyFulfillmentUnits."""
        self._withdraw(units)
        return events.FulfillmentUnitsWithdrawn.of(
            self, reason=reason, items=self._line_units(units)
        )

    @transition(
        source=(Status.STARTED, Status.PACKED),
        target=None,
        emits=events.FulfillmentUnitsShort,
        verb="write-off",
        guards=[has_short_units],
    )
    def write_off(self, *, units: Units) -> Event:
        """Write off short units. Raises NotInFulfillment, TooManyFulfillmentUnits."""
        for item, quantity in units.items():
            self._changed(item).write_off(quantity)
        return events.FulfillmentUnitsShort.of(self, items=self._line_units(units))

    @transition(
        source=Status.STARTED,
        target=Status.PACKED,
        emits=events.FulfillmentPacked,
        verb="pack",
        guards=[is_picking_finished, has_picked_units, order_is_not_held],
    )
    def pack(self, *, packages: Sequence[Mapping[str, str]], at: datetime) -> Event:
        """Pack all picked units. Packages have a weight in kg, and sizes in cm if known."""
        self.packages = [dict(package) for package in packages]
        self.total_weight = sum((Decimal(package["weight"]) for package in packages), Decimal(0))
        self.packed_by, self.packed_at = request_context.current().actor, at
        return events.FulfillmentPacked.of(
            self, package_count=len(packages), total_weight=self.total_weight.normalize()
        )

    @transition(source=Status.PACKED, target=None, emits=events.FulfillmentUnitsLost)
    def mark_lost(
        self, *, units: Units, unusable: Units, shipment_id: str, to_warehouse_id: str | None
    ) -> Event:
        """Mark units as lost: they were lost with their shipment, or came back with it."""
        for item, quantity in units.items():
            self._changed(item).lost_quantity += quantity
        return events.FulfillmentUnitsLost.of(
            self,
            shipment_id=shipment_id,
            to_warehouse_id=to_warehouse_id,
            items=self._line_units(units),
            unusable=self._line_units(unusable),
        )

    @transition(source=Status.PACKED, target=None, emits=events.FulfillmentUnitsRecovered)
    def recover(self, *, units: Units, shipment_id: str) -> Event:
        """Count units as not lost: their shipment arrived after all."""
        for item, quantity in units.items():
            self._changed(item).lost_quantity -= quantity
        return events.FulfillmentUnitsRecovered.of(
            self, shipment_id=shipment_id, items=self._line_units(units)
        )

    @transition(
        source=(*UNPACKED, Status.PACKED),
        target=Status.CANCELLED,
        emits=events.FulfillmentCancelled,
    )
    def cancel(self, *, reason: str, at: datetime) -> Event:
        """Cancel the fulfillment: the warehouse has nothing to send."""
        self.cancelled_at, self.cancellation_reason = at, reason
        self.to_unpack = bool(self.present_units)
        return events.FulfillmentCancelled.of(self, reason=reason)

    @transition(
        source=Status.CANCELLED,
        target=None,
        emits=events.FulfillmentUnpacked,
        verb="unpack",
        guards=[must_be_unpacked],
    )
    def unpack(self) -> Event:
        """Record that the picked units are back on the shelf."""
        self.to_unpack = False
        return events.FulfillmentUnpacked.of(
            self,
            items=self._line_units(self.present_units),
            unpacked_by=request_context.current().actor,
        )

    def _place(self, warehouse_id: str) -> None:
        """Record the warehouse of units that had none."""
        units = self._line_units(+self.quantities)  # without empty lines
        moved = events.FulfillmentUnitsMoved.of(self, to_warehouse_id=warehouse_id, items=units)
        self.record(moved)
        self.warehouse_id = warehouse_id

    def _withdraw(self, units: Units) -> None:
        for item, quantity in units.items():
            self._changed(item).withdraw(quantity)

    def _line_units(self, units: Units) -> list[LineUnits]:
        return [
            LineUnits.of(self.line(item), quantity=quantity) for item, quantity in units.items()
        ]

    def _changed(self, order_item_id: str) -> FulfillmentItem:
        """Return a line to change, and save it with the fulfillment. Raises NotInFulfillment."""
        line = self.line(order_item_id)
        self.save_part(line)
        return line

    def _add(self, order_item: "OrderItem", quantity: int) -> None:
        if order_item.id not in self.quantities:
            self.lines.append(
                FulfillmentItem(
                    fulfillment_id=self.pk,
                    order_item_id=order_item.id,
                    variant_id=order_item.variant_id,
                    title=order_item.title,
                    quantity=0,
                )
            )
        self._changed(order_item.id).quantity += quantity

    def _record_scan(
        self,
        line: FulfillmentItem,
        *,
        scan_id: str,
        quantity: int,
        at: datetime,
        short_reason: str = "",
    ) -> None:
        self.save_part(
            line,
            Pick(
                fulfillment_id=self.pk,
                scan_id=scan_id,
                order_item_id=line.order_item_id,
                quantity=quantity,
                short_reason=short_reason,
                picked_by=request_context.current().actor,
                picked_at=at,
            ),
        )
