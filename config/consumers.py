"""Who listens: queues that this service declares and its consumers consume."""

QUEUES: dict[str, list[str]] = {
    "inventory_order_consumer": [
        "order.placed",
        "order.confirmed",
        "order.cancelled",
        "order.shipped",
        "return.received",
    ],
    "notification_order_consumer": [
        "order.created",
        "order.confirmed",
        "order.shipped",
        "order.delivered",
        "return.requested",
        "return.approved",
    ],
    "analytics_order_consumer": [
        "order.created",
        "order.confirmed",
        "cart.abandoned",
        "cart.converted",
    ],
    "marketing_order_consumer": ["cart.abandoned"],
    "customer_app_order_consumer": ["order.shipped"],
    "warehouse_order_consumer": ["return.requested"],
    "customer_service_order_consumer": ["return.requested"],
}
