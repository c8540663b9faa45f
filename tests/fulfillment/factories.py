"""Fulfillments in every state, reached through the services."""

from typing import Any
from uuid import uuid4

import factory

from fulfillment import selectors, services
from fulfillment.models import Fulfillment
from orders.models import Order
from orders.services import lifecycle, reservations
from tests.factories import LineFactory, OrderFactory, confirm
from tests.reacting import run_of

PACKAGE = {"weight": "2.5", "length": "30", "width": "20", "height": "10"}


class FulfillmentFactory(factory.Factory):
    """The fulfillment of an order with one warehouse. The fields are the order's."""

    class Meta:
        model = Fulfillment

    organization_id = "org_1"
    status = "open"

    @classmethod
    def _create(cls, model: type[Fulfillment], *, status: str, **fields: Any) -> Fulfillment:
        return reach(fulfillments(OrderFactory(status="confirmed", **fields))[0], status)


def order_in(*warehouses: dict[str, int], **fields: Any) -> Order:
    """A confirmed order whose lines are allocated: `{"wh_1": 2}` for each line.

    The lines have just these units, or those of `quantities`.
    """
    quantities = fields.pop("quantities", [sum(line.values()) for line in warehouses])
    lines = [LineFactory(quantity=quantity) for quantity in quantities]
    status = fields.pop("status", "confirmed")
    order = OrderFactory(items=lines, status="placed", **fields)
    allocations = [
        {"order_item_id": line.id, "warehouse_id": warehouse, "quantity": quantity}
        for line, where in zip(order.lines, warehouses, strict=True)
        for warehouse, quantity in where.items()
    ]
    reservations.reserve_stock(order_id=order.id, reservation_id="res_1", allocations=allocations)
    return confirm(order) if status == "confirmed" else order


def fulfillments(order: Order) -> list[Fulfillment]:
    """Return the order's fulfillments after all pending reactions."""
    run_of("fulfillment", order.id)
    return list(selectors.with_lines().filter(order=order.id).order_by("id"))


def reach(fulfillment: Fulfillment, status: str) -> Fulfillment:
    """Bring a fulfillment to a status."""
    if status == "cancelled":
        lifecycle.cancel_order(order_id=fulfillment.order_id, reason="customer_request")
        run_of("fulfillment", fulfillment.order_id)
    elif status != "open":
        services.start_fulfillment(fulfillment_id=fulfillment.id, assigned_to="picker_1")
    if status == "packed":
        pick_all(fulfillment)
        services.pack_fulfillment(fulfillment_id=fulfillment.id, packages=[PACKAGE])
    return selectors.with_lines().get(pk=fulfillment.pk)


def pick(fulfillment: Fulfillment, line: int = 0, quantity: int = 1, **given: Any) -> Fulfillment:
    item = fulfillment.lines[line].order_item_id
    scan: dict[str, Any] = {"order_item_id": item, "quantity": quantity, "scan_id": str(uuid4())}
    return services.pick_item(fulfillment_id=fulfillment.id, **{**scan, **given})


def short(fulfillment: Fulfillment, line: int = 0, quantity: int = 1, **given: Any) -> Fulfillment:
    item = fulfillment.lines[line].order_item_id
    scan: dict[str, Any] = {"order_item_id": item, "quantity": quantity, "scan_id": str(uuid4())}
    scan["reason"] = "not found"
    return services.report_short(fulfillment_id=fulfillment.id, **{**scan, **given})


def pick_all(fulfillment: Fulfillment) -> None:
    """Pick all units that are still to be picked."""
    for n, line in enumerate(selectors.with_lines().get(pk=fulfillment.pk).lines):
        if line.unpicked_quantity:
            pick(fulfillment, n, line.unpicked_quantity)
