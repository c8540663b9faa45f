"""A real server conforms to its OpenAPI document: Schemathesis sends generated requests."""

import json
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.servers.basehttp import WSGIRequestHandler

from config.api import tokens
from events.models import EventRecord, Publication
from fulfillment.models import Fulfillment
from invoices.files import signed_url
from invoices.models import Document
from orders.services import lifecycle
from payments.models import Payment
from returns.models import Return
from shipments.files import signed_url as label_url
from shipments.models import Shipment
from tests.api.test_routes import ROUTES
from tests.factories import (
    STEPS,
    CartFactory,
    InvoiceFactory,
    OrderFactory,
    PaymentFactory,
    credit,
    deliver_documents,
    order_of,
)
from tests.fulfillment.factories import FulfillmentFactory
from tests.returns.factories import ReturnFactory
from tests.shipments.factories import ShipmentFactory, packed

SCHEMATHESIS = Path(settings.BASE_DIR) / ".venv/schemathesis/bin/schemathesis"
CONFIG = """
[dictionaries]
carts.values = {carts}
cart_items.values = {cart_items}
orders.values = {orders}
invoices.values = {invoices}
tokens.values = {tokens}
order_items.values = {order_items}
payments.values = {payments}
fulfillments.values = {fulfillments}
returns.values = {returns}
shipments.values = {shipments}
labels.values = {labels}
customers.values = {customers}

[[operations]]
include-tag = "carts"
[operations.parameters]
"path.id".dictionary = "carts"
"path.item_id".dictionary = "cart_items"
"body.into".dictionary = "carts"

[[operations]]
include-tag = "orders"
[operations.parameters]
"path.id".dictionary = "orders"
"body.items[*].order_item_id".dictionary = "order_items"
"body.allocations[*].order_item_id".dictionary = "order_items"

[[operations]]
include-tag = "payments"
[operations.parameters]
"path.id".dictionary = "payments"
"body.order_id".dictionary = "orders"

[[operations]]
include-tag = "fulfillments"
[operations.parameters]
"path.id".dictionary = "fulfillments"
"body.order_item_id".dictionary = "order_items"
"body.items[*].order_item_id".dictionary = "order_items"

[[operations]]
include-tag = "shipments"
[operations.parameters]
"path.id".dictionary = "shipments"
"path.token".dictionary = "labels"
"body.fulfillment_id".dictionary = "fulfillments"
"body.items[*].order_item_id".dictionary = "order_items"

[[operations]]
include-tag = "returns"
[operations.parameters]
"path.id".dictionary = "returns"
"body.order_id".dictionary = "orders"
"body.items[*].order_item_id".dictionary = "order_items"

[[operations]]
include-tag = "customers"
[operations.parameters]
"path.customer_id".dictionary = "customers"

[[operations]]
include-tag = "invoices"
[operations.parameters]
"path.id".dictionary = "invoices"
"path.token".dictionary = "tokens"
"""
# The service may refuse a body that the schema allows: a schema does not contain which rows exist,
# nor how fields depend on each other.
UNDECIDABLE = "positive_data_acceptance"
WITHOUT_A_TOKEN = (
    "asyncapi",
    "catalog",
    "document",
    "label-document",
    "stripe-webhook",
    "carrier-webhook",
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("conformance")
@pytest.mark.usefixtures("media")
def test_the_service_conforms_to_its_openapi_document(
    live_server, tmp_path, monkeypatch, pytestconfig
):
    # Otherwise the second packet of a response waits 40 ms for the acknowledgement of the first.
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)
    carts = [CartFactory(), CartFactory(lines=[]), CartFactory(customer_id=None, session_id="s")]
    orders = [OrderFactory(status=status) for status in [*STEPS, "cancelled"]]
    orders += [order_of(3, 2, status="processing"), OrderFactory(currency="JPY")]
    payments = [PaymentFactory(status=status) for status in Payment.Status]
    fulfillments = [FulfillmentFactory(status=status) for status in Fulfillment.Status]
    fulfillments.append(packed(3))
    shipments = [ShipmentFactory(status=status) for status in Shipment.Status]
    OrderFactory(status="cancelled", customer_id="cust_done")
    returns = [ReturnFactory(status=status) for status in Return.Status]
    orders += [row.order for row in returns]
    lifecycle.hold_order(order_id=orders[1].id, reason="fraud")
    invoices = [InvoiceFactory(), credit(InvoiceFactory(status="sent"), "10.00")]
    deliver_documents()
    rendered = list(Document.objects.all())
    invoices.append(InvoiceFactory(customer_email=None))
    for event in EventRecord.objects.filter(sequence__isnull=False).order_by("number"):
        Publication.objects.create(event=event, organization_id=event.organization_id)
    config = tmp_path / "schemathesis.toml"
    ids = {
        "carts": [cart.id for cart in carts],
        "cart_items": [line.id for cart in carts for line in cart.lines],
        "orders": [order.id for order in orders],
        "invoices": [invoice.id for invoice in invoices],
        "tokens": [signed_url(row).rpartition("/")[2] for row in rendered],
        "order_items": [line.id for order in orders for line in order.lines]
        + [line.order_item_id for row in fulfillments for line in row.lines],
        "fulfillments": [fulfillment.id for fulfillment in fulfillments],
        "payments": [payment.id for payment in payments],
        "returns": [row.id for row in returns],
        "shipments": [row.id for row in shipments],
        "customers": ["cust_789", "cust_done"],
        "labels": [label_url(row.label).rpartition("/")[2] for row in shipments if row.label],
    }
    config.write_text(CONFIG.format_map({name: json.dumps(ids[name]) for name in ids}))
    token = tokens.issue(
        organization_id="org_1", subject="user_1", scope="*", lifetime=timedelta(hours=1)
    )
    run = subprocess.run(
        [
            SCHEMATHESIS,
            f"--config-file={config}",
            "run",
            f"{live_server.url}/api/schema/",
            f"--url={live_server.url}",  # the document names PUBLIC_URL
            f"--header=Authorization: Bearer {token}",
            f"--exclude-checks={UNDECIDABLE}",
            "--include-path-regex=^/api/",  # without the probes
            "--phases=examples,fuzzing",
            f"--max-examples={pytestconfig.getoption('--examples', 5)}",
            "--generation-deterministic",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"Tested: {len(ROUTES) + len(WITHOUT_A_TOKEN)}" in run.stdout
    (cases,) = re.findall(r"(\d+) generated", run.stdout)
    assert int(cases) > 500
