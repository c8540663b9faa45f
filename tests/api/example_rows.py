"""Creates the row that an operation's example request is sent to."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from carts.serializers import CartMerge
from orders.serializers import ITEM_ID
from orders.services.lifecycle import hold_order
from payments.serializers import ORDER_ID, REFUND_ID
from payments.services.refunds import request_refund
from shipments.serializers import FULFILLMENT_ID
from tests.factories import (
    CartFactory,
    InvoiceFactory,
    LineFactory,
    OrderFactory,
    PaymentFactory,
    start_payment,
    write_off,
)
from tests.fulfillment.factories import FulfillmentFactory, pick, pick_all, reach, short
from tests.returns.factories import ReturnFactory
from tests.shipments.factories import long_ago, packed

ORDERS = {
    "place_order": "pending",
    "write_off_order_units": "confirmed",
    "release_order_units": "confirmed",
    "refund_order": "confirmed",
}
STATES = {  # the status of the fulfillment, return or shipment that each operation acts on
    "start_fulfillment": "open",
    "record_pick": "started",
    "pack_fulfillment": "started",
    "move_fulfillment_units": "started",
    "write_off_fulfillment_units": "started",
    "unpack_fulfillment": "started",
    "approve_return": "requested",
    "reject_return": "requested",
    "cancel_return": "approved",
    "receive_return": "approved",
    "refund_return": "received",
    "close_return": "received",
    "buy_shipment_label": "created",
    "dispatch_shipment": "label_created",
    "record_shipment_scan": "dispatched",
    "deliver_shipment": "dispatched",
    "cancel_shipment": "label_created",
    "revoke_label_links": "label_created",
}
GOODS: dict[str, tuple[Any, int]] = {  # the factory of each, and the units of the row's line
    "fulfillments": (FulfillmentFactory, 4),
    "returns": (ReturnFactory, 1),
    "shipments": (long_ago, 1),
}


def row_for(operation_id: str, context: str) -> tuple[Any, dict[str, str]]:
    """Return the row, and the real id for each id of the example."""
    if operation_id in STATES:
        factory, units = GOODS[context]
        row = factory(status=STATES[operation_id], items=[LineFactory(quantity=units)])
        if operation_id == "pack_fulfillment":
            pick_all(row)
        if operation_id == "write_off_fulfillment_units":
            short(row)
        if operation_id == "unpack_fulfillment":
            pick(row)
            reach(row, "cancelled")
        return row, {ITEM_ID: row.lines[0].order_item_id}
    if context == "customers":
        return SimpleNamespace(id=CartFactory().customer_id), {}
    if context == "carts":
        price = {"unit_price": Decimal("12.50"), "tax_rate": Decimal("0.16")}
        place = {"title": "Stoneware mug", "preferred_warehouse_id": "wh_north"}
        mugs = LineFactory(variant_id="var_mug", **price, **place)
        cart, into = CartFactory(lines=[mugs]), CartFactory(lines=[mugs])
        return cart, {CartMerge.example["into"]: into.id}
    if operation_id == "create_shipment":
        made = packed(4)
        return made, {ITEM_ID: made.lines[0].order_item_id, FULFILLMENT_ID: made.id}
    if operation_id == "create_return":
        order = OrderFactory(status="delivered")
    else:
        status = ORDERS.get(operation_id, "placed")
        order = OrderFactory(status=status, items=[LineFactory(quantity=4)])
    ids = {ITEM_ID: order.lines[0].id, ORDER_ID: order.id}
    match operation_id:
        case "release_order":
            return hold_order(order_id=order.id, reason="fraud"), ids
        case "release_order_units":
            write_off(order, 0, 1)
        case "retry_payment":
            return PaymentFactory(status="failed"), ids
        case "void_payment":
            return PaymentFactory(status="authorized"), ids
        case "capture_payment":
            return start_payment(order, method="manual"), ids
        case "apply_payment":
            return start_payment(order, token="tok_wrong_amount"), ids
        case "refund_payment":
            payment = PaymentFactory()
            return payment, {ITEM_ID: payment.order.lines[0].id}
        case "record_payment_refund" | "withdraw_payment_refund":
            payment = PaymentFactory()
            credit = {"amount": Decimal("12.50"), "reason": "operator", "method": "store_credit"}
            return payment, {REFUND_ID: request_refund(payment_id=payment.id, **credit).id}
        case "send_invoice" | "revoke_invoice_links" | "reissue_invoice":
            return InvoiceFactory(status="sent"), ids
    return order, ids
