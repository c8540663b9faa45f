"""The stock that Inventory should have, from the rows of the database."""

from collections import Counter, defaultdict

from fulfillment.models import Fulfillment
from orders.models import Order
from returns.models.parts import ReceiptItem
from shipments.models import ShipmentItem
from tests.consumers.inventory import RESTOCKED, Key, Level, Place, add_up


def true_levels() -> dict[str, dict[Place, Level]]:
    """Return what is not zero of each order, by variant and warehouse.

    Reserved are the units of placed and paid orders: all of them until Inventory has answered, then
    those that it has reserved. Committed are the units that fulfillments of
    confirmed orders have and that never left in a shipment. On hand is what has left, subtracted
    from what was received back.
    """
    orders: defaultdict[str, defaultdict[Place, Counter[str]]]
    orders = defaultdict(lambda: defaultdict(Counter))
    for order in Order.objects.filter(status__in=["placed", "paid"]):
        for line in order.lines:
            places = line.by_warehouse().items()
            if order.reservation_id:
                places = [(each.warehouse_id, each.quantity) for each in line.allocated]
            for warehouse, quantity in places:
                orders[order.id][line.variant_id, warehouse]["reserved"] += quantity
    plans = Fulfillment.objects.exclude(status="cancelled").exclude(order__status="cancelled")
    for plan in plans.prefetch_related("items"):
        for item in plan.lines:
            orders[plan.order_id][item.variant_id, plan.warehouse_id]["committed"] += item.quantity
    left = ShipmentItem.objects.filter(shipment__dispatched_at__isnull=False)
    for row in left.select_related("shipment__order"):
        parcel = row.shipment
        levels = orders[parcel.order_id][row.variant_id, parcel.warehouse_id]
        levels["on_hand"] -= row.quantity
        if parcel.order.status != "cancelled":
            levels["committed"] -= row.quantity
    received = ReceiptItem.objects.filter(condition__in=RESTOCKED)
    for came in received.select_related("item", "receipt__return_request"):
        order_id = came.receipt.return_request.order_id
        orders[order_id][came.item.variant_id, came.receipt.warehouse_id]["on_hand"] += (
            came.quantity
        )
    return {
        order_id: {place: Level(**each) for place, each in levels.items() if any(each.values())}
        for order_id, levels in orders.items()
    }


def true_stock() -> dict[Key, Level]:
    """Return the stock of every organization, variant and warehouse that is not zero."""
    organizations = dict(Order.objects.values_list("id", "organization_id"))
    return add_up((organizations[order], levels) for order, levels in true_levels().items())
