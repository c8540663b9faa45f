"""The row that an operation's example is asked of, and what its example's ids stand for."""

from decimal import Decimal
from typing import Any

from carts.serializers import CartMerge
from orders.serializers import ITEM_ID
from orders.services import hold_order
from payments.serializers import ORDER_ID
from shipments.serializers import FULFILLMENT_ID
from tests.factories import (
    CartFactory,
    InvoiceFactory,
    LineFactory,
    OrderFactory,
    PaymentFactory,
    start_payment,
)
from tests.fulfillment.factories import FulfillmentFactory, pick_all, short
from tests.returns.factories import ReturnFactory
from tests.shipments.factories import long_ago, packed

ORDERS = {"orders_place": "pending", "orders_write_off": "confirmed"}
STATES = {  # in which these are asked of a fulfillment, a return or a shipment
    "fulfillments_start": "open",
    "fulfillments_picks": "started",
    "fulfillments_pack": "started",
    "fulfillments_move": "started",
    "fulfillments_write_off": "started",
    "returns_approve": "requested",
    "returns_reject": "requested",
    "returns_cancel": "approved",
    "returns_receive": "approved",
    "returns_refund": "received",
    "returns_close": "received",
    "shipments_label": "created",
    "shipments_send": "label_created",
    "shipments_scans": "dispatched",
    "shipments_deliver": "dispatched",
    "shipments_cancel": "label_created",
}
GOODS: dict[str, tuple[Any, int]] = {  # with how many units
    "fulfillments": (FulfillmentFactory, 4),
    "returns": (ReturnFactory, 1),
    "shipments": (long_ago, 1),
}


def row_for(operation_id: str) -> tuple[Any, dict[str, str]]:
    """Return the row, and the real ids by those of the example."""
    context = operation_id.partition("_")[0]
    if operation_id in STATES:
        factory, units = GOODS[context]
        row = factory(status=STATES[operation_id], items=[LineFactory(quantity=units)])
        if operation_id == "fulfillments_pack":
            pick_all(row)
        if operation_id == "fulfillments_write_off":
            short(row)
        return row, {ITEM_ID: row.lines[0].order_item_id}
    if context == "carts":
        price = {"unit_price": Decimal("12.50"), "tax_rate": Decimal("0.16")}
        mugs = LineFactory(variant_id="var_mug", **price)
        cart, into = CartFactory(lines=[mugs]), CartFactory(lines=[mugs])
        return cart, {CartMerge.example["into"]: into.id}
    if operation_id == "shipments_create":
        made = packed(4)
        return made, {ITEM_ID: made.lines[0].order_item_id, FULFILLMENT_ID: made.id}
    if operation_id == "returns_create":
        order = OrderFactory(status="delivered")
    else:
        status = ORDERS.get(operation_id, "placed")
        order = OrderFactory(status=status, items=[LineFactory(quantity=4)])
    ids = {ITEM_ID: order.lines[0].id, ORDER_ID: order.id}
    match operation_id:
        case "orders_release":
            return hold_order(order_id=order.id, reason="fraud"), ids
        case "payments_retry":
            return PaymentFactory(status="failed"), ids
        case "payments_capture":
            return start_payment(order, method="manual"), ids
        case "payments_refunds":
            return PaymentFactory(), ids
        case "invoices_send":
            return InvoiceFactory(status="sent"), ids
    return order, ids
