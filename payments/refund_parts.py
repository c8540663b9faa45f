"""What a refund is for: the parts whose amounts sum to it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NotRequired, TypedDict

import msgspec

from config.core.money import EvenParts, exact, money, split
from payments.events import RefundPart
from payments.exceptions import RefundExceedsPart, RefundSumDiffers

if TYPE_CHECKING:
    from orders.events import PaidUnits
    from orders.models import Order, OrderItem

ZERO = Decimal(0)


class RequestedUnits(TypedDict):
    """Units of an order line to refund; without units, a part of the line's price.

    `amount` is by default the price of the units. What it is less than that is kept as a fee.
    """

    order_item_id: str
    quantity: int
    amount: Decimal | None


class RefundRequest(TypedDict):
    """What a client wants to refund. An `amount` alone is goodwill; else it is the sum."""

    items: NotRequired[Sequence[RequestedUnits]]
    shipping: NotRequired[Decimal | None]
    goodwill: NotRequired[Decimal | None]
    amount: NotRequired[Decimal | None]


def has_parts(request: RefundRequest) -> bool:
    """Return whether the request says more than an amount."""
    return bool(request.get("items") or request.get("shipping") or request.get("goodwill"))


def as_goodwill(amount: Decimal) -> list[RefundPart]:
    """Return an amount that is for no line and not for the shipping, as parts."""
    part = RefundPart(kind="goodwill", order_item_id=None, quantity=0, amount=amount)
    return [part] if amount else []


def total(parts: Iterable[RefundPart]) -> Decimal:
    """Return the sum of the parts."""
    return sum((part.amount for part in parts), ZERO)


def take(parts: Sequence[RefundPart], amount: Decimal) -> tuple[list[RefundPart], list[RefundPart]]:
    """Return the first parts, up to an amount, and the rest.

    A part that is cut leaves its rest with quantity 0. The fee of a line precedes its units, so
    that it is never kept of what is not refunded.
    """
    taken, rest = list[RefundPart](), list(parts)
    while rest and (amount > 0 or not rest[0].amount):
        part = rest.pop(0)
        if part.amount > amount:
            left = part.amount - amount
            rest.insert(0, msgspec.structs.replace(part, quantity=0, amount=left))
            part = msgspec.structs.replace(part, amount=amount)
        amount -= part.amount
        taken.append(part)
    return taken, rest


class Refundable:
    """What can be refunded of an order's lines and of its shipping.

    `parts` are those of its refunds, without the failed ones. A unit is refunded once, at its
    price. What is kept of that price as a fee can be refunded later, without a unit.
    """

    def __init__(self, order: "Order", parts: Iterable[RefundPart]) -> None:
        self.order = order
        self._units = Counter[str]()
        self._prices = defaultdict[str | None, Decimal](Decimal)
        self._fees = defaultdict[str | None, Decimal](Decimal)  # negative
        self._shipping = ZERO
        for part in parts:
            self._count(part)

    def requested(self, request: "RefundRequest") -> list[RefundPart]:
        """Return what a client requests.

        Raises UnknownOrderItem, TooManyUnits, RefundExceedsPart, RefundSumDiffers, InexactAmount.
        """
        amount, goodwill = request.get("amount"), request.get("goodwill")
        if not has_parts(request):
            goodwill = amount
        parts = list[RefundPart]()
        for item in request.get("items", ()):
            parts += self._requested_units(item)
        if shipping := request.get("shipping"):
            left = self._shipping_left()
            parts.append(self._shipping_part(self._checked(shipping, left, "the shipping")))
        parts += as_goodwill(exact(goodwill or ZERO, self.order.currency))
        found = total(parts)
        if not found:
            raise RefundExceedsPart(
                f"Nothing is left to refund of these units of {self.order.pk}.",
                max_refundable=str(money(ZERO, self.order.currency)),
            )
        if amount is not None and amount != found:
            raise RefundSumDiffers(
                f"The parts of the refund sum to {found}, not to {amount}: leave `amount` out, or "
                "correct them."
            )
        return parts

    def written_off(self, lines: Iterable["PaidUnits"]) -> list[RefundPart]:
        """Return units that were written off, as far as they are not refunded yet."""
        parts = list[RefundPart]()
        for each in lines:
            line = self.order.quantities.line(each.order_item_id)
            quantity, price = self._available(line, each.quantity, each.amount)
            parts += self._line_parts(line, quantity, price, price)
        return parts

    def returned(
        self, lines: Sequence["PaidUnits"], amount: Decimal, earlier: Iterable[RefundPart]
    ) -> list[RefundPart]:
        """Return the refund of a return: its accepted units, and what is kept of their price.

        `lines` are all accepted units, and `earlier` the parts that the return has refunded before.
        """
        own = Refundable(self.order, earlier)
        units: list[tuple[OrderItem, int, Decimal]] = []
        rooms = list[Decimal]()
        for each in lines:
            line = self.order.quantities.line(each.order_item_id)
            wanted = max(each.quantity - own._units[line.id], 0)
            price = max(each.amount - own._prices[line.id], ZERO)
            quantity, price = self._available(line, wanted, price)
            units.append((line, quantity, price))
            rooms.append(min(price - own._fees[line.id], self._left(line)))
        shares = split(min(amount, sum(rooms, ZERO)), rooms, self.order.currency)
        parts = list[RefundPart]()
        for (line, quantity, price), share in zip(units, shares, strict=True):
            parts += self._line_parts(line, quantity, price, share)
        return parts

    def rest(self, amount: Decimal) -> list[RefundPart]:
        """Return everything that is left, as parts of an amount.

        If the amount is less, because some was refunded as goodwill, each line has its share. If it
        is more, the rest was captured beyond the total of the order.
        """
        lines = self.order.lines
        rooms = [*map(self._left, lines), self._shipping_left()]
        shares = split(min(amount, sum(rooms, ZERO)), rooms, self.order.currency)
        parts = list[RefundPart]()
        for line, share in zip(lines, shares, strict=False):
            price = min(share, line.total - self._prices[line.id])
            parts += self._line_parts(line, self._units_left(line), price, share)
        if shares[-1]:
            parts.append(self._shipping_part(shares[-1]))
        return [*parts, *as_goodwill(amount - total(parts))]

    def _requested_units(self, item: RequestedUnits) -> list[RefundPart]:
        line, quantity = self.order.quantities.line(item["order_item_id"]), item["quantity"]
        line.expect_available(quantity, self._units_left(line))
        price = self._price(line, quantity)
        amount = item["amount"]
        if amount is not None:
            maximum = price if quantity else self._left(line)
            amount = self._checked(amount, maximum, f"{line.id} with quantity {quantity}")
            if not quantity:
                price = min(amount, line.total - self._prices[line.id])
        return self._line_parts(line, quantity, price, price if amount is None else amount)

    def _line_parts(
        self, line: "OrderItem", quantity: int, price: Decimal, amount: Decimal
    ) -> list[RefundPart]:
        """Return units at their price, and their fee: the difference of `amount` from it."""
        parts = list[RefundPart]()
        currency = self.order.currency
        if fee := money(amount - price, currency):
            parts.append(RefundPart(kind="fee", order_item_id=line.id, quantity=0, amount=fee))
        if quantity or price:
            parts.append(
                RefundPart(
                    kind="item",
                    order_item_id=line.id,
                    quantity=quantity,
                    amount=money(price, currency),
                )
            )
        for part in parts:
            self._count(part)
        return parts

    def _shipping_part(self, amount: Decimal) -> RefundPart:
        amount = money(amount, self.order.currency)
        part = RefundPart(kind="shipping", order_item_id=None, quantity=0, amount=amount)
        self._count(part)
        return part

    def _count(self, part: RefundPart) -> None:
        match part.kind:
            case "item":
                self._units[str(part.order_item_id)] += part.quantity
                self._prices[part.order_item_id] += part.amount
            case "fee":
                self._fees[part.order_item_id] += part.amount
            case "shipping":
                self._shipping += part.amount

    def _units_left(self, line: "OrderItem") -> int:
        return line.quantity - self._units[line.id]

    def _left(self, line: "OrderItem") -> Decimal:
        """Return the price of the units that are left, and the fees that were kept."""
        return Decimal(line.total - self._prices[line.id] - self._fees[line.id])

    def _shipping_left(self) -> Decimal:
        return Decimal(self.order.shipping_total - self._shipping)

    def _price(self, line: "OrderItem", quantity: int) -> Decimal:
        """Return the price of some of the units that are left."""
        if not quantity:
            return ZERO
        left = line.total - self._prices[line.id]
        return EvenParts.of(left, self._units_left(line), self.order.currency).first(quantity)

    def _available(self, line: "OrderItem", quantity: int, price: Decimal) -> tuple[int, Decimal]:
        """Return how many units of a line are left, and their price: see the arguments."""
        available = min(quantity, self._units_left(line))
        if available < quantity:
            price = min(price, self._price(line, available))
        return available, min(price, line.total - self._prices[line.id])

    def _checked(self, amount: Decimal, maximum: Decimal, what: str) -> Decimal:
        currency = self.order.currency
        amount, maximum = exact(amount, currency), money(maximum, currency)
        if amount > maximum:
            raise RefundExceedsPart(
                f"At most {maximum} {currency} can be refunded for {what}, not {amount}.",
                max_refundable=str(maximum),
            )
        return amount
