"""Prices an order: from its lines, discount and shipping cost to every amount that it shows."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

from config.core.money import bounded, exact, money, split
from orders.exceptions import DiscountTooLarge

if TYPE_CHECKING:
    from orders.models import Order


class Line(Protocol):
    """What the price of a line depends on. `unit_price` is before tax, `tax_rate` a fraction."""

    quantity: int
    unit_price: Decimal
    tax_rate: Decimal


class LineAmounts(NamedTuple):
    """Amounts of one line. `total` is what the customer pays for it."""

    net: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal


class OrderAmounts(NamedTuple):
    """Amounts of an order. `subtotal` is the net of the lines, `tax` includes that on shipping."""

    subtotal: Decimal
    shipping_cost: Decimal
    shipping_tax: Decimal
    tax: Decimal
    total: Decimal


def price(
    lines: Sequence[Line],
    *,
    discount: Decimal,
    shipping_cost: Decimal,
    shipping_tax_rate: Decimal,
    currency: str,
) -> tuple[OrderAmounts, list[LineAmounts]]:
    """Compute every amount. The discount is split over the lines in proportion to their net.

    Tax is on the discounted net, rounded half up per line. Raises DiscountTooLarge, InexactAmount,
    AmountTooLarge.
    """
    nets = [exact(line.unit_price, currency) * line.quantity for line in lines]
    subtotal = bounded(sum(nets, Decimal(0)))
    if exact(discount, currency) > subtotal:
        raise DiscountTooLarge(f"The discount of {discount} exceeds the subtotal of {subtotal}.")
    priced = []
    for line, net, share in zip(lines, nets, split(discount, nets, currency), strict=True):
        tax = money((net - share) * line.tax_rate, currency)
        priced.append(LineAmounts(net=net, discount=share, tax=tax, total=net - share + tax))
    shipping_cost = exact(shipping_cost, currency)
    bounded(subtotal + shipping_cost)  # the invoice shows this sum
    shipping_tax = money(shipping_cost * shipping_tax_rate, currency)
    tax = sum((line.tax for line in priced), shipping_tax)
    amounts = OrderAmounts(
        subtotal=subtotal,
        shipping_cost=shipping_cost,
        shipping_tax=shipping_tax,
        tax=tax,
        total=bounded(subtotal - discount + shipping_cost + tax),
    )
    return amounts, priced


def set_amounts(order: "Order") -> None:
    """Set every amount of a new order and of its lines. Raises what `price` raises."""
    amounts, lines = price(
        order.lines,
        discount=order.discount,
        shipping_cost=order.shipping_cost,
        shipping_tax_rate=order.shipping_tax_rate,
        currency=order.currency,
    )
    vars(order).update(amounts._asdict())
    for line, line_amounts in zip(order.lines, lines, strict=True):
        vars(line).update(line_amounts._asdict())
