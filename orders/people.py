"""What orders hold about a person."""

from config.core.client_data import ERASED
from events.people import holds, owned_by
from orders import selectors
from orders.models import Allocation, Dispatch, Order, OrderItem, WriteOff

owned_by(Order, selectors.owned_by)
holds(
    Order,
    "pk",
    erase={
        **ERASED,
        "purchase_order_number": None,
        "customer_email": None,
        "shipping_address": None,
        "billing_address": None,
        "discount_reason": None,
        "shipping_discount_reason": None,
        "delivery_signature": None,
        "delivery_photo_url": None,
        "hold_note": "",
        "cancellation_note": "",
    },
)
holds(OrderItem, "order", erase={**ERASED, "discount_reason": None})
holds(Allocation, "order_item__order")
holds(Dispatch, "order")
holds(WriteOff, "order")
