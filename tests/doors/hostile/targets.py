"""The routes of each context, each with a valid request for a row that exists."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from config.api.documents import _document
from invoices.files import signed_url
from orders.serializers import ITEM_ID
from payments.serializers import ORDER_ID
from returns import selectors as return_selectors
from shipments.files import signed_url as label_url
from tests.api.example_rows import STATES, row_for
from tests.doors.hostile.wire import Request
from tests.factories import CartFactory, InvoiceFactory, OrderFactory, deliver_documents
from tests.returns.factories import WAYS, request
from tests.shipments.factories import BY_HAND, ShipmentFactory, long_ago

SECRETS = {"STRIPE_WEBHOOK_SECRET": "whsec_hostile", "EASYPOST_WEBHOOK_SECRET": "hostile"}
CONTEXTS = (
    *("carts", "orders", "payments", "fulfillments", "shipments", "returns", "invoices"),
    *("events", "customers"),
)
TAGS = {"events": ("events", "webhooks", "health")}
WEBHOOKS = {"receive_stripe_event": "stripe", "receive_carrier_event": "easypost"}
REPEATABLE = {"create_cart", "create_order", *WEBHOOKS}
# The operation for whose row a GET of the context asks.
READ = {
    "carts": "merge_cart",
    "orders": "write_off_order_units",
    "payments": "refund_payment",
    "fulfillments": "record_pick",
    "shipments": "revoke_label_links",
    "returns": "receive_return",
    "invoices": "send_invoice",
}


@dataclass
class Valid:
    """A request that the service accepts: what the mutations begin with."""

    operation_id: str
    method: str
    path: str
    body: Any = None
    parameters: list[str] = field(default_factory=list)  # of the query
    has_row: bool = False
    is_protected: bool = True
    webhook: str = ""  # whose signature it needs

    def copy(self) -> "Valid":
        return deepcopy(self)

    def request(self, token: str, content: bytes | None) -> Request:
        """Return it with this content."""
        made = Request(self.method, self.path, [("Host", "localhost")])
        if not self.webhook:
            made.headers.append(("Authorization", f"Bearer {token}"))
        if self.method == "POST":
            made.headers.append(("Idempotency-Key", str(uuid4())))
        if content is not None:
            made.headers.append(("Content-Type", "application/json"))
            made.body = content
        return made


def sign(sent: Request, webhook: str) -> None:
    """Add the signature of a webhook to its request."""
    body = sent.body or b""
    if webhook == "stripe":
        at = int(time.time())
        key = SECRETS["STRIPE_WEBHOOK_SECRET"].encode()
        digest = hmac.new(key, b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
        sent.headers.append(("Stripe-Signature", f"t={at},v1={digest}"))
    elif webhook:
        key = SECRETS["EASYPOST_WEBHOOK_SECRET"].encode()
        digest = hmac.new(key, body, hashlib.sha256).hexdigest()
        sent.headers.append(("X-Hmac-Signature", f"hmac-sha256-hex={digest}"))


class Target:
    """An operation, whose valid request is made anew after it was accepted."""

    def __init__(self, context: str, method: str, path: str, operation: dict[str, Any]) -> None:
        self.context, self.method, self.path, self.operation = context, method, path, operation
        self.operation_id: str = operation["operationId"]
        self._valid: Valid | None = None

    @property
    def valid(self) -> Valid:
        if self._valid is None:
            self._valid = self._make()
        return self._valid

    def use_up(self) -> None:
        """Make another row for the next request, because this one has changed."""
        if self.needs_row:
            self._valid = None

    @property
    def needs_row(self) -> bool:
        """Whether it is accepted only once for a row."""
        return self.method != "get" and self.operation_id not in REPEATABLE

    def _make(self) -> Valid:
        content = self.operation.get("requestBody", {}).get("content", {})
        text = ""
        for media in content.values():
            (example,) = media["examples"].values()
            text = json.dumps(example["value"])
        names, ids = (
            {"carrier": "easypost"},
            {'"stripe"': '"sandbox"', "pm_card_mastercard": "tok_ok"},
        )
        has_row = "{" in self.path and "webhooks" not in self.path
        if has_row or self.needs_row:
            row, found = self._row()
            ids |= found
            names |= {"id": row.id, "customer_id": row.id}
            if "{item_id}" in self.path:
                names["item_id"] = row.lines[0].id
            if "{token}" in self.path:
                names["token"] = link_of(row).rpartition("/")[2]
        for placeholder, real in ids.items():
            text = text.replace(placeholder, real)
        parameters = self.operation.get("parameters", [])
        return Valid(
            operation_id=self.operation_id,
            method=self.method.upper(),
            path=self.path.format(**names),
            body=json.loads(text) if text else None,
            parameters=[each["name"] for each in parameters if each["in"] == "query"],
            has_row=has_row,
            is_protected=bool(self.operation["security"]),
            webhook=WEBHOOKS.get(self.operation_id, ""),
        )

    def _row(self) -> tuple[Any, dict[str, str]]:
        """Return a row of a whole life, so that the judges of the lives find no fault in it."""
        name = self.operation_id
        if self.context == "customers":
            customer = f"cust_{uuid4()}"
            CartFactory(customer_id=customer)
            OrderFactory(status="cancelled", customer_id=customer)
            return type("Customer", (), {"id": customer}), {}
        if self.context == "returns":
            order = ShipmentFactory(status="delivered").order
            if name == "create_return":
                return order, {ITEM_ID: order.lines[0].id, ORDER_ID: order.id}
            row = request(order)
            for step in WAYS[STATES.get(name, "approved")]:
                step(row)
            return return_selectors.get(row.id), {ITEM_ID: order.lines[0].id}
        if name == "add_cart_item":
            return CartFactory(), {}  # without a line that the units would be added to
        if name == "buy_shipment_label":
            return long_ago(by=BY_HAND), {}
        if name == "download_document":
            row = InvoiceFactory()
            deliver_documents()
            return row, {}
        return row_for(READ[self.context] if self.method == "get" else name, self.context)


def link_of(row: Any) -> str:
    return label_url(row.label) if hasattr(row, "label") else signed_url(row.documents.get())


def targets(context: str) -> Iterator[Target]:
    """Yield the operations of a context."""
    for path, item in json.loads(_document())["paths"].items():
        for method, operation in item.items():
            # The page of the catalog needs collected static files, which tests do not have.
            is_page = operation["operationId"] == "get_event_catalog"
            if not is_page and operation["tags"][0] in TAGS.get(context, (context,)):
                yield Target(context, method, path, operation)
