"""What an order is made of. Each part is saved by the order that it belongs to."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from config.core.ids import PublicIdField
from config.core.money import MAX_DECIMALS, MoneyField, TaxRateField, money, split
from events.aggregate import Part
from orders.exceptions import TooManyUnits


class OrderItem(Part):
    """A line. What is bought is fixed; the counters say how far its units have come."""

    id = PublicIdField("item")
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()
    variant_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    unit_price = MoneyField()
    tax_rate = TaxRateField()
    preferred_warehouse_id = models.CharField(max_length=64, null=True)
    net = MoneyField()
    discount = MoneyField()
    tax = MoneyField()
    total = MoneyField()
    cancelled = models.PositiveIntegerField(default=0)
    shipped = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0)

    UPDATE_FIELDS = ("cancelled", "shipped", "delivered", "returned")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="order_item_position"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, unit_price__gte=0, discount__gte=0, tax__gte=0)
                # Rounded, because SQLite computes with floats.
                & Q(net=Round(F("quantity") * F("unit_price"), precision=MAX_DECIMALS))
                & Q(discount__lte=F("net"))
                & Q(total=Round(F("net") - F("discount") + F("tax"), precision=MAX_DECIMALS)),
                name="order_item_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(returned__lte=F("delivered"), delivered__lte=F("shipped"))
                & Q(shipped__lte=F("quantity") - F("cancelled")),
                name="order_item_counts_no_unit_twice",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"

    @cached_property
    def allocated(self) -> "list[Allocation]":
        """Where Inventory has reserved units; the rest are nobody's yet."""
        return list(self.allocations.all())

    @cached_property
    def paid(self) -> list[Decimal]:
        """What was paid for each unit."""
        return split(self.total, [1] * self.quantity, self.order.currency)

    @property
    def live(self) -> int:
        """Units that are not written off."""
        return self.quantity - self.cancelled

    @property
    def to_ship(self) -> int:
        """Units that have yet to leave."""
        return self.live - self.shipped

    def unpicked(self, picked: Mapping[str, int]) -> int:
        """Units that nobody has in hand, of those that have yet to leave."""
        return min(self.to_ship, self.live - picked.get(self.id, 0))

    def price(self, *, discount: Decimal, currency: str) -> None:
        """Compute the amounts: tax is on what is paid, rounded half up on the line."""
        self.net = money(self.quantity * self.unit_price, currency)
        self.discount = discount
        self.tax = money((self.net - discount) * self.tax_rate, currency)
        self.total = self.net - discount + self.tax

    def expect(self, quantity: int, *, at_most: int) -> None:
        """Raise TooManyUnits where more units are asked for than are in that state."""
        if quantity > at_most:
            raise TooManyUnits(f"{self.id} has {at_most} such units; {quantity} were asked for.")

    def paid_for_cancelled(self) -> Decimal:
        """Return what was paid for the units written off so far: the line's last ones."""
        return self.paid_for(range(self.live + 1, self.quantity + 1))

    def paid_for(self, units: Iterable[int]) -> Decimal:
        """Return what was paid for some of the units, by their numbers: 1 is the line's first."""
        return sum((self.paid[number - 1] for number in units), Decimal(0))

    def by_warehouse(self) -> dict[str | None, int]:
        """Return the live units by the warehouse allocated, else preferred, else None."""
        left = self.live
        units: dict[str | None, int] = {}
        for allocation in self.allocated:
            taken = min(allocation.quantity, left)
            left -= taken
            if taken:
                units[allocation.warehouse_id] = taken
        if left:
            units[self.preferred_warehouse_id] = units.get(self.preferred_warehouse_id, 0) + left
        return units


class Allocation(Part):
    """Units of a line that Inventory has reserved in a warehouse."""

    order_item = models.ForeignKey(OrderItem, models.PROTECT, related_name="allocations")
    warehouse_id = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order_item", "warehouse_id"], name="one_allocation_per_warehouse"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="allocation_quantity"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} from {self.warehouse_id}"


class Dispatch(Part):
    """Units of a line that left in a shipment, so that their arrival or loss is counted once."""

    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="dispatches")
    order_item = models.ForeignKey(OrderItem, models.PROTECT, related_name="+")
    shipment_id = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()
    delivered_at = models.DateTimeField(null=True)
    reopened_at = models.DateTimeField(null=True)  # lost, or returned to the sender

    UPDATE_FIELDS = ("delivered_at", "reopened_at")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order_item", "shipment_id"], name="one_dispatch_per_line_and_shipment"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1)
                & (Q(delivered_at__isnull=True) | Q(reopened_at__isnull=True)),
                name="dispatch_arrived_or_came_back",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} in {self.shipment_id}"


class WriteOff(Part):
    """Units that will never ship. No event tells Inventory: somebody ticks them off."""

    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="write_offs")
    order_item = models.ForeignKey(OrderItem, models.PROTECT, related_name="+")
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
