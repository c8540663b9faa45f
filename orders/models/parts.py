"""The parts of an order. Saving the order saves them."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, NotRequired, Self, TypedDict

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core import request_context
from config.core.client_data import ClientData, ClientDataGiven, line_index
from config.core.ids import PublicIdField
from config.core.money import MAX_DECIMALS, EvenParts, MoneyField, TaxRateField, UnitPriceField
from events.aggregate import Part, PartList
from orders.exceptions import TooManyUnits
from orders.pricing import Tax
from orders.quantities import AllocationData, Units, UnitsInWarehouse

if TYPE_CHECKING:
    from orders.models.order import Order

HALF = Decimal("0.5")
PRICE = F("subtotal") - F("discount")  # of a line


class DiscountData(TypedDict, total=False):
    """An amount taken off a line, the shipping, or the items of an order."""

    amount: Decimal
    code: str | None
    reason: str | None


class ItemData(ClientDataGiven):
    """What a new item is made of. `tax_rate` is a fraction, the sum of those of `taxes`.

    `unit_price` and the discount of the line include tax if the order's prices do.
    """

    variant_id: str
    title: str
    quantity: int
    unit_price: Decimal
    tax_rate: Decimal
    taxes: NotRequired[list[Tax]]
    discount: NotRequired[DiscountData | None]
    preferred_warehouse_id: str | None


class ShipmentData(TypedDict):
    """A shipment that leaves a warehouse at `at`."""

    shipment_id: str
    warehouse_id: str | None
    carrier: str
    tracking_number: str | None
    estimated_delivery: date | None
    units: Units
    at: datetime


class DeliveryProof(TypedDict):
    """When a shipment was delivered, and the proof."""

    signature: str | None
    photo_url: str | None
    at: datetime


class OrderItem(ClientData, Part):
    """A line. What was bought is fixed; the other quantities count how far its units are."""

    id = PublicIdField("item")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    unit_price = UnitPriceField()
    tax_rate = TaxRateField()  # the sum of those of `taxes`
    # During an upgrade, the old version inserts rows without the columns that have a `db_default`.
    taxes = models.JSONField(default=list, db_default=[])  # see `Tax`; []: one without a name
    preferred_warehouse_id = models.CharField(max_length=64, null=True)
    subtotal = MoneyField(db_column="net")  # quantity × unit price
    line_discount = MoneyField(default=Decimal(0), db_default=Decimal(0))  # its own
    discount_code = models.CharField(max_length=64, null=True)
    discount_reason = models.CharField(max_length=200, null=True)
    discount = MoneyField()  # its own, and its share of the order's
    tax = MoneyField()
    total = MoneyField()
    cancelled = models.PositiveIntegerField(default=0)
    backordered = models.PositiveIntegerField(default=0)
    shipped = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0)

    # The warehouses in which Inventory reserved units, maybe fewer than all. Several reservations
    # of one warehouse are several rows.
    allocated = PartList["Allocation"]("allocations")
    UPDATE_FIELDS = ("cancelled", "backordered", "shipped", "delivered", "returned")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="order_item_position"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, unit_price__gte=0, line_discount__gte=0, tax__gte=0)
                # The subtotal has the decimals of the currency, maybe none.
                & Q(subtotal__gte=F("quantity") * F("unit_price") - HALF)
                & Q(subtotal__lte=F("quantity") * F("unit_price") + HALF)
                & Q(line_discount__lte=F("discount"), discount__lte=F("subtotal"))
                # Rounded, because SQLite computes with floats. The prices may include the tax.
                & (
                    Q(total=Round(PRICE, precision=MAX_DECIMALS), tax__lte=F("total"))
                    | Q(total=Round(PRICE + F("tax"), precision=MAX_DECIMALS))
                ),
                name="order_item_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(returned__lte=F("delivered"), delivered__lte=F("shipped"))
                & Q(shipped__lte=F("quantity") - F("cancelled") - F("backordered")),
                name="order_item_counts_no_unit_twice",
            ),
        ]
        indexes = [
            models.Index(
                fields=["order"], name="order_item_backordered", condition=Q(backordered__gt=0)
            ),
            line_index("order_item_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"

    @classmethod
    def of(cls, order: "Order", position: int, data: ItemData) -> Self:
        """Return a line of a new order."""
        columns: dict[str, Any] = {**data}
        discount = columns.pop("discount", None) or {}
        line = cls(
            **columns,
            order=order,
            position=position,
            line_discount=discount.get("amount", Decimal(0)),
            discount_code=discount.get("code"),
            discount_reason=discount.get("reason"),
        )
        line.allocated = []
        return line

    def siblings(self) -> "list[OrderItem]":
        """Return all lines of the order."""
        lines: list[OrderItem] = self.order.lines
        return lines

    @cached_property
    def unit_totals(self) -> EvenParts:
        """What the customer pays for each unit; they sum to the line's total."""
        return EvenParts.of(self.total, self.quantity, self.order.currency)

    @property
    def net(self) -> Decimal:
        """What is taxed: the price after the discount, without tax."""
        return Decimal(self.total - self.tax)

    @property
    def active_quantity(self) -> int:
        """Units that are not written off."""
        return self.quantity - self.cancelled

    @property
    def unshipped_quantity(self) -> int:
        """Active units that have not been shipped."""
        return self.active_quantity - self.shipped

    @property
    def sendable_quantity(self) -> int:
        """Active units that are not back-ordered, shipped ones included."""
        return self.active_quantity - self.backordered

    def unpicked_quantity(self, picked: int) -> int:
        """Unshipped units that no warehouse has picked; `picked` includes shipped ones."""
        return min(self.unshipped_quantity, self.active_quantity - picked)

    @property
    def returnable_quantity(self) -> int:
        """Delivered units that have not been returned."""
        return self.delivered - self.returned

    def allocate(
        self, reservation_id: str, allocations: "Iterable[AllocationData]"
    ) -> "list[Allocation]":
        """Add a reservation's allocations of this line, and return them."""
        added = [
            Allocation(**each, reservation_id=reservation_id)
            for each in allocations
            if each["order_item_id"] == self.id
        ]
        self.allocated = [*self.allocated, *added]
        return added

    def deallocate(self, reservation_id: str | None) -> "list[Allocation]":
        """Remove the allocations of a reservation, or with None of all, and return them."""
        removed = [a for a in self.allocated if reservation_id in (None, a.reservation_id)]
        self.allocated = [a for a in self.allocated if a not in removed]
        return removed

    def expect_available(self, quantity: int, available: int) -> None:
        """Raise TooManyUnits if fewer than `quantity` units are available."""
        if quantity > available:
            raise TooManyUnits(f"Units of {self.id} available: {available}; requested: {quantity}.")

    def paid_for(self, units: Collection[int]) -> Decimal:
        """Return what the customer paid for units, given by their numbers from 1."""
        return self.unit_totals.sum_of(units)

    def paid_for_written_off(self, quantity: int) -> Decimal:
        """Return what was paid for the units written off last. A line's last units go first."""
        active = self.active_quantity
        return self.unit_totals.first(active + quantity) - self.unit_totals.first(active)

    def by_warehouse(self) -> Counter[str | None]:
        """Return active units by allocated warehouse, else the preferred one, else None.

        Back-ordered units are in no warehouse.
        """
        remaining = self.sendable_quantity
        units = Counter[str | None]()
        for allocation in self.allocated:
            taken = min(allocation.quantity, remaining)
            units[allocation.warehouse_id] += taken
            remaining -= taken
        units[self.preferred_warehouse_id] += remaining
        return +units


class Allocation(Part):
    """Units of a line that Inventory has reserved in a warehouse."""

    order_item = models.ForeignKey(OrderItem, models.PROTECT, related_name="allocations")
    reservation_id = models.CharField(max_length=64)
    warehouse_id = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order_item", "warehouse_id", "reservation_id"],
                name="one_allocation_per_reservation",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="allocation_quantity"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} from {self.warehouse_id}"

    @property
    def data(self) -> AllocationData:
        """The allocation without its reservation."""
        return AllocationData(
            order_item_id=self.order_item_id,
            warehouse_id=self.warehouse_id,
            quantity=self.quantity,
        )


class Dispatch(Part):
    """Units of a line that left in a shipment, so that their delivery or loss is counted once.

    Units that are reopened were lost or came back, so they do not count as shipped. If the lost
    shipment arrived after all, these are units whose replacement is picked.
    """

    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="dispatches")
    order_item = models.ForeignKey(OrderItem, models.PROTECT, related_name="+")
    shipment_id = models.CharField(max_length=64)
    warehouse_id = models.CharField(max_length=64, null=True)
    quantity = models.PositiveIntegerField()
    reopened_quantity = models.PositiveIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)

    UPDATE_FIELDS = ("reopened_quantity", "delivered_at")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order_item", "shipment_id"], name="one_dispatch_per_line_and_shipment"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, reopened_quantity__lte=F("quantity")),
                name="dispatch_reopens_each_unit_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} in {self.shipment_id}"

    @classmethod
    def of(cls, line: OrderItem, shipment: ShipmentData) -> Self:
        """Return a row about the units of a line that leave in a shipment."""
        return cls(
            order=line.order,
            order_item=line,
            shipment_id=shipment["shipment_id"],
            warehouse_id=shipment["warehouse_id"],
            quantity=shipment["units"][line.id],
        )

    @property
    def shipped_quantity(self) -> int:
        """Units that count as shipped."""
        return self.quantity - self.reopened_quantity


class WriteOff(Part):
    """Units that will never ship. Back-ordered ones have no warehouse and no stock to release.

    Inventory releases their stock when it receives `order.units_written_off`, an extension event.
    In an installation that does not publish it, an operator releases the stock by hand and then
    records it here. Both set `released_at`.
    """

    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="write_offs")
    order_item = models.ForeignKey(OrderItem, models.PROTECT, related_name="+")
    warehouse_id = models.CharField(max_length=64, null=True)
    quantity = models.PositiveIntegerField()
    reason = models.CharField(max_length=32)
    amount = MoneyField()
    written_off_at = models.DateTimeField()
    written_off_by = models.CharField(max_length=150)
    released_at = models.DateTimeField(null=True)

    UPDATE_FIELDS = ("released_at",)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=1, amount__gte=0), name="write_off_quantity"
            )
        ]
        indexes = [
            models.Index(
                fields=["order"],
                name="write_off_unreleased",
                condition=Q(released_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.order_item_id}"

    @classmethod
    def of(
        cls, line: OrderItem, units: UnitsInWarehouse, reason: str, at: datetime, is_released: bool
    ) -> Self:
        """Return a row about units that the line has just counted."""
        return cls(
            order=line.order,
            order_item=line,
            warehouse_id=units["warehouse_id"],
            quantity=units["quantity"],
            reason=reason,
            amount=line.paid_for_written_off(units["quantity"]),
            written_off_at=at,
            written_off_by=request_context.current().actor,
            released_at=at if is_released or units["is_backordered"] else None,
        )
