"""Counts the units of an order's lines: every unit is in one state at a time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NotRequired, TypedDict

from events.schema import MAX_BODY
from orders.exceptions import (
    AllocatedTwice,
    AmbiguousVariant,
    OrderTooLarge,
    UnitsArePicked,
    UnknownOrderItem,
)

if TYPE_CHECKING:
    from orders.models import OrderItem
    from orders.models.parts import Allocation

Units = Mapping[str, int]  # quantities by order_item_id
Stock = Counter[tuple[str, str | None]]  # quantities by variant_id and warehouse_id

STOCK_ITEM_BYTES = 64  # JSON around the two ids of a stock item, rounded up


class AllocationData(TypedDict):
    """Units of an order item that Inventory reserved in a warehouse."""

    order_item_id: str
    warehouse_id: str
    quantity: int


class AllocationRequest(TypedDict):
    """Units that Inventory reserved in a warehouse, of an order item or of a variant."""

    order_item_id: NotRequired[str]
    variant_id: NotRequired[str]
    warehouse_id: str
    quantity: int


class UnitsInWarehouse(TypedDict):
    """Units of an order item that a warehouse should have sent, or that are back-ordered."""

    order_item_id: str
    warehouse_id: str | None
    quantity: int
    is_backordered: bool


WarehouseUnits = Sequence[UnitsInWarehouse]


def count(units: "WarehouseUnits | Sequence[AllocationData]") -> Counter[str]:
    """Return the quantities by order_item_id, summed over the warehouses."""
    quantities = Counter[str]()
    for each in units:
        quantities[each["order_item_id"]] += each["quantity"]
    return quantities


class Quantities:
    """The units of an order: how many are active, shipped, delivered, returned and open.

    A line's `quantity` never changes. Its units are active until they are written off; active
    units are shipped, then delivered, then returned. Shipped units that are lost are open again.
    Back-ordered units are active, and cannot be shipped before Inventory has reserved them.
    """

    def __init__(self, lines: Sequence["OrderItem"]) -> None:
        self.lines = lines

    def total(self, name: str) -> int:
        """Return a quantity summed over all lines: `total("shipped")`."""
        return sum(getattr(line, name) for line in self.lines)

    def line(self, item_id: str) -> "OrderItem":
        """Return a line by its id. Raises UnknownOrderItem."""
        for line in self.lines:
            if line.id == item_id:
                return line
        raise UnknownOrderItem(f"The order has no item {item_id}.")

    def select(self, units: Units) -> "list[tuple[OrderItem, int]]":
        """Return the lines of `units` with their quantities. Raises UnknownOrderItem."""
        return [(self.line(item_id), quantity) for item_id, quantity in units.items()]

    def line_of(self, variant_id: str) -> "OrderItem":
        """Return the only line of a variant. Raises UnknownOrderItem, AmbiguousVariant."""
        lines = [line for line in self.lines if line.variant_id == variant_id]
        if not lines:
            raise UnknownOrderItem(f"The order has no item of {variant_id}.")
        if len(lines) > 1:
            raise AmbiguousVariant(
                f"The order has {len(lines)} lines of {variant_id}: name one by order_item_id."
            )
        return lines[0]

    def resolve(self, requests: Sequence[AllocationRequest]) -> list[AllocationData]:
        """Return allocations by order item, also of those that name a variant.

        Raises UnknownOrderItem, AmbiguousVariant, AllocatedTwice.
        """
        allocations: dict[tuple[str, str], AllocationData] = {}
        for each in requests:
            item_id = each.get("order_item_id") or self.line_of(each["variant_id"]).id
            place = (item_id, each["warehouse_id"])
            if place in allocations:
                raise AllocatedTwice(
                    f"{item_id} is allocated twice to {each['warehouse_id']}: add up the "
                    "quantities."
                )
            allocations[place] = AllocationData(
                order_item_id=item_id,
                warehouse_id=each["warehouse_id"],
                quantity=each["quantity"],
            )
        return list(allocations.values())

    def stock(self, units: WarehouseUnits) -> Stock:
        """Return units as quantities by variant and warehouse, without back-ordered ones."""
        stock: Stock = Counter()
        for each in units:
            if each["is_backordered"]:
                continue
            variant_id = self.line(each["order_item_id"]).variant_id
            stock[variant_id, each["warehouse_id"]] += each["quantity"]
        return stock

    def allocations(self) -> "list[Allocation]":
        """Return the allocations of all reservations, by line."""
        return [allocation for line in self.lines for allocation in line.allocated]

    def allocated(self, *, besides: str | None = None) -> list[AllocationData]:
        """Return what is allocated, without the reservation with the id `besides`."""
        return [each.data for each in self.allocations() if each.reservation_id != besides]

    def is_allocated_as(self, reservation_id: str, allocations: Sequence[AllocationData]) -> bool:
        """Return whether the lines already have these allocations of the reservation."""
        own = [a.data for a in self.allocations() if a.reservation_id == reservation_id]
        return {frozenset(a.items()) for a in allocations} == {frozenset(a.items()) for a in own}

    def missing_in(self, allocations: Sequence[AllocationData]) -> Counter[str]:
        """Return the active units that are not allocated."""
        return Counter({line.id: line.active_quantity for line in self.lines}) - count(allocations)

    def has_unreserved(self) -> bool:
        """Return whether units are neither in a reservation nor wait for a further one."""
        return self.missing_in(self.allocated()).total() > self.total("backordered")

    def expect_allocatable(self, allocations: Sequence[AllocationData]) -> None:
        """Refuse more units than are active. Raises UnknownOrderItem, TooManyUnits."""
        for line, quantity in self.select(count(allocations)):
            line.expect_available(quantity, line.active_quantity)

    def reserve_backordered(self, units: Units) -> "list[OrderItem]":
        """Count back-ordered units as reserved and return their lines.

        Raises UnknownOrderItem, TooManyUnits.
        """
        for line, quantity in self.select(units):
            line.expect_available(quantity, line.backordered)
            line.backordered -= quantity
        return [line for line, _ in self.select(units)]

    def backordered(self, units: Units) -> Counter[str]:
        """Return as many of the units as are back-ordered. Raises UnknownOrderItem."""
        return +Counter(
            {line.id: min(quantity, line.backordered) for line, quantity in self.select(units)}
        )

    def expect_publishable(self) -> None:
        """Raise OrderTooLarge if an event that lists all stock items might exceed its limit."""
        items = [(line.variant_id, place) for line in self.lines for place in line.by_warehouse()]
        size = sum(len(f"{variant}{place}".encode()) + STOCK_ITEM_BYTES for variant, place in items)
        if 2 * size > MAX_BODY:  # an escaped character takes two bytes
            raise OrderTooLarge(
                f"The order has {len(items)} combinations of line and warehouse, too many for one "
                "message: split the order."
            )

    def ship(self, units: Units) -> "list[OrderItem]":
        """Count shipped units and return their lines. Raises UnknownOrderItem, TooManyUnits."""
        return self._add(units, "shipped", available="unshipped_quantity")

    def deliver(self, units: Units) -> "list[OrderItem]":
        """Count delivered units and return their lines."""
        return self._add(units, "delivered")

    def reopen(self, units: Units) -> "list[OrderItem]":
        """Count shipped units as not shipped again and return their lines."""
        return self._add({item_id: -units[item_id] for item_id in units}, "shipped")

    def write_off(self, units: UnitsInWarehouse) -> "OrderItem":
        """Count written-off units and return their line. Raises UnknownOrderItem, TooManyUnits."""
        quantities = {units["order_item_id"]: units["quantity"]}
        if units["is_backordered"]:
            self.reserve_backordered(quantities)
        (line,) = self._add(quantities, "cancelled", available="unshipped_quantity")
        return line

    def record_return(self, units: Units) -> "list[OrderItem]":
        """Count returned units and return their lines. Raises UnknownOrderItem, TooManyUnits."""
        return self._add(units, "returned", available="returnable_quantity")

    def unpicked(self, units: Units, picked: Units) -> Units:
        """Return those of the units that are neither shipped, nor picked, nor back-ordered."""
        found = {
            line.id: min(
                quantity, line.unpicked_quantity(picked.get(line.id, 0)) - line.backordered
            )
            for line, quantity in self.select(units)
        }
        return {item_id: quantity for item_id, quantity in found.items() if quantity > 0}

    def expect_unpicked(self, units: Units, picked: Units) -> None:
        """Refuse to write off units that are picked. Raises UnknownOrderItem, UnitsArePicked."""
        for line, quantity in self.select(units):
            unpicked = line.unpicked_quantity(picked.get(line.id, 0))
            if line.unshipped_quantity >= quantity > unpicked:
                raise UnitsArePicked(
                    f"Cannot write off {quantity} units of {line.id}: only {unpicked} are not "
                    "picked. Report picked units that will not ship as short in their fulfillment."
                )

    def _add(self, units: Units, name: str, *, available: str | None = None) -> "list[OrderItem]":
        selected = self.select(units)
        for line, quantity in selected:
            if available:
                line.expect_available(quantity, getattr(line, available))
            setattr(line, name, getattr(line, name) + quantity)
        return [line for line, _ in selected]
