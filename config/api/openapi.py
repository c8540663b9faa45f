"""drf-spectacular's settings; `config.api.schema` derives the rest from the views."""

from config import __version__

SETTINGS = {
    "TITLE": "Order Service",
    "VERSION": __version__,
    "DESCRIPTION": (
        "Carts, orders, payments, fulfillments, shipments, returns and invoices. State changes "
        "are published as events. Every error is a problem document (RFC 9457) with a "
        "stable `code`. Unknown fields and parameters are rejected. Amounts are text with the "
        "decimals of their currency, such as `125.50`; in messages they are numbers."
    ),
    "TAGS": [
        {"name": "carts", "description": "Collect items and check out; checkout opens an order."},
        {"name": "orders", "description": "Place, hold, cancel and follow orders."},
        {"name": "payments", "description": "Charge, capture and refund the money of an order."},
        {"name": "fulfillments", "description": "Pick and pack the items of an order."},
        {"name": "shipments", "description": "Buy labels, dispatch packages and track them."},
        {"name": "returns", "description": "Take items back and refund them."},
        {"name": "invoices", "description": "Invoices and credit notes, as data and as PDF."},
        {"name": "events", "description": "The published events, and their documentation."},
        {"name": "customers", "description": "Export and erase what is held about a customer."},
        {"name": "webhooks", "description": "Called by payment gateways and carriers."},
        {"name": "health", "description": "Probes for load balancers and orchestrators."},
    ],
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_SUFFIX": "",
    "ENUM_NAME_OVERRIDES": {
        "OrderPaymentStatus": [
            "not_required",
            "unpaid",
            "authorized",
            "partially_paid",
            "paid",
            "partially_refunded",
            "refunded",
        ],
        "OrderFulfillmentStatus": [
            "unfulfilled",
            "partially_shipped",
            "shipped",
            "partially_delivered",
            "delivered",
        ],
        "OrderCancelReason": ["customer_request", "out_of_stock", "fraud", "operator", "other"],
        "ScanCreateStatus": ["in_transit", "exception", "delivered", "lost", "returned_to_sender"],
        "OrderReturnStatus": ["none", "partially_returned", "returned"],
    },
    "PREPROCESSING_HOOKS": ["config.api.documents.without_slash"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "events.health.describe",
        "config.api.documents.complete",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Without these it would send the schema to a validator on the internet.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "connect-src 'self'; img-src 'self' data:; script-src 'self'; "
    # The style in drf-spectacular's page: the tests in the browser fail if it changes.
    "style-src 'self' 'sha256-MMpT0iDxyjALd9PdfepImGX3DBfJPXZ4IlDWdPAgtn0='"
)
