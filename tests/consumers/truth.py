"""The stock that Inventory should have, from the rows of the database."""

from collections import Counter, defaultdict

from fulfillment.models import Fulfillment
from orders.models import Order
from returns.models.parts import ReceiptItem
from shipments.models import ShipmentItem
from tests.consumers.inventory import RESTOCKED, Key, Level


def true_stock() -> dict[Key, Level]:
    """Return the stock of every organization, variant and warehouse that is not zero.

    Reserved are the units of placed orders. Committed are the units that fulfillments of
    confirmed orders have and that never left in a shipment. On hand is what has left, subtracted
    from what was received back.
    """
    sums: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for order in Order.objects.filter(status="placed"):
        for line in order.lines:
            for warehouse, quantity in line.by_warehouse().items():
                key = (order.organization_id, line.variant_id, warehouse)
                sums[key]["reserved"] += quantity
    plans = Fulfillment.objects.exclude(status="cancelled").exclude(order__status="cancelled")
    for plan in plans.prefetch_related("items"):
        for item in plan.lines:
            key = (plan.organization_id, item.variant_id, plan.warehouse_id)
            sums[key]["committed"] += item.quantity
    left = ShipmentItem.objects.filter(shipment__dispatched_at__isnull=False)
    for row in left.select_related("shipment__order"):
        parcel = row.shipment
        key = (parcel.organization_id, row.variant_id, parcel.warehouse_id)
        sums[key]["on_hand"] -= row.quantity
        if parcel.order.status != "cancelled":
            sums[key]["committed"] -= row.quantity
    received = ReceiptItem.objects.filter(condition__in=RESTOCKED)
    for came in received.select_related("item", "receipt__return_request"):
        organization_id = came.receipt.return_request.organization_id
        key = (organization_id, came.item.variant_id, came.receipt.warehouse_id)
        sums[key]["on_hand"] += came.quantity
    return {key: Level(**counts) for key, counts in sums.items() if any(counts.values())}
