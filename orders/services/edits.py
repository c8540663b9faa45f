"""Edit what was ordered: an order with other lines takes the place of the one that is edited."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, NotRequired, TypedDict, Unpack, cast

import fulfillment.selectors
import payments.selectors
from config.core.client_data import CLIENT_DATA, ClientDataGiven
from config.core.unit_of_work import unit_of_work
from orders import selectors
from orders.exceptions import AlreadyShipped, CannotEdit, PickingHasBegun, UnknownOrderItem
from orders.models import Order
from orders.models.parts import DiscountData, ItemData, OrderItem
from orders.services.lifecycle import ShippingTerms, open_order


class ItemEdit(ClientDataGiven):
    """What changes in a line of the order; with a `quantity` of 0 it is removed."""

    order_item_id: str
    quantity: NotRequired[int]
    title: NotRequired[str]
    unit_price: NotRequired[Decimal]
    discount: NotRequired[DiscountData | None]
    preferred_warehouse_id: NotRequired[str | None]


class Changes(TypedDict, total=False):
    """What changes in an order; what is left out stays."""

    items: Sequence[ItemEdit]
    new_items: Sequence[ItemData]
    discount: DiscountData | None
    shipping: ShippingTerms


class Edit(NamedTuple):
    """The order as edited, and what is to be paid, or goes back, for it."""

    order: Order
    total_before: Decimal
    amount_due: Decimal
    to_refund: Decimal


@unit_of_work()
def edit_order(
    *, order_id: str, expected_total: Decimal | None = None, **changes: Unpack[Changes]
) -> Edit:
    """Open an order with the changes, which replaces the order, and place it if that was placed.

    Raises OrderIsCancelled, AlreadyShipped, PickingHasBegun, CannotEdit, UnknownOrderItem, and what
    `open_order` raises.
    """
    order = selectors.get_for_update(order_id)
    order.expect_not_cancelled()
    if not order.has_shipped_nothing():
        raise AlreadyShipped(f"A shipment of {order.id} has left: open another order instead.")
    if any(fulfillment.selectors.picked_quantities(order).values()):
        raise PickingHasBegun(f"Units of {order.id} are picked: write off what is not to be sent.")
    if payments.selectors.refunded_parts(order) or any(line.cancelled for line in order.lines):
        raise CannotEdit(
            f"Units of {order.id} are written off or refunded: cancel it, or open another order."
        )
    before = order.total
    movable = sum((each.refundable for each in payments.selectors.applied_to(order)), Decimal(0))
    edited = open_order(
        organization_id=order.organization_id,
        currency=order.currency,
        items=[*_lines(order, changes.get("items", ())), *changes.get("new_items", ())],
        customer_id=order.customer_id,
        session_id=order.session_id,
        local_id=order.local_id,
        tax_inclusive=order.tax_inclusive,
        tax_rounding=order.tax_rounding,
        replaces=order.id,
        place=order.placed_at is not None,
        customer_email=order.customer_email,
        locale=order.locale,
        shipping_address=order.shipping_address,
        billing_address=order.billing_address,
        shipping=changes.get("shipping") or _shipping(order),
        discount=changes.get("discount", _discount(order, order.discount)),
        payment_method=order.payment_method,
        purchase_order_number=order.purchase_order_number,
        expected_total=expected_total,
        **_client_data(order),
    )
    return Edit(
        order=edited,
        total_before=before,
        amount_due=payments.selectors.amount_due(edited),
        to_refund=max(movable - edited.total, Decimal(0)),
    )


def _lines(order: Order, edits: Sequence[ItemEdit]) -> Iterator[ItemData]:
    """Yield the lines as edited. Raises UnknownOrderItem."""
    changed = {edit["order_item_id"]: edit for edit in edits}
    if unknown := sorted(changed.keys() - {line.id for line in order.lines}):
        raise UnknownOrderItem(f"{order.id} has no item {unknown[0]}.")
    for line in order.lines:
        edit: Mapping[str, Any] = changed.get(line.id, {})
        columns = _item(line) | {k: v for k, v in edit.items() if k != "order_item_id"}
        if columns["quantity"]:
            yield cast(ItemData, columns)


def _item(line: OrderItem) -> dict[str, Any]:
    return {
        "variant_id": line.variant_id,
        "title": line.title,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "tax_rate": line.tax_rate,
        "taxes": line.taxes,
        "discount": _discount(line, line.line_discount),
        "preferred_warehouse_id": line.preferred_warehouse_id,
        **_client_data(line),
    }


def _client_data(of: Order | OrderItem) -> ClientDataGiven:
    return cast(ClientDataGiven, {name: getattr(of, name) for name in CLIENT_DATA})


def _discount(of: Order | OrderItem, amount: Decimal) -> DiscountData | None:
    if not amount:
        return None
    return {"amount": amount, "code": of.discount_code, "reason": of.discount_reason}


def _shipping(order: Order) -> ShippingTerms:
    off: DiscountData = {
        "amount": order.shipping_discount,
        "code": order.shipping_discount_code,
        "reason": order.shipping_discount_reason,
    }
    return {
        "carrier": order.carrier,
        "service": order.service,
        "cost": order.shipping_price,
        "discount": off if off["amount"] else None,
        "tax_rate": order.shipping_tax_rate,
        "taxes": order.shipping_taxes,
        "signature_required": order.signature_required,
    }
