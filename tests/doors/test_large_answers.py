"""Large answers cost what they weigh: a list has its rows without their lines."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import CartFactory, InvoiceFactory, LineFactory, OrderFactory
from tests.returns.factories import ReturnFactory
from tests.shipments.factories import ShipmentFactory

pytestmark = pytest.mark.django_db
LINES = {
    "carts": ("items",),
    "orders": ("items",),
    "fulfillments": ("items",),
    "shipments": ("items",),
    "returns": ("items", "receipts"),
    "invoices": ("lines",),
}


@pytest.fixture
def rows():
    two = [LineFactory(), LineFactory(quantity=3)]
    CartFactory()
    CartFactory(lines=[])
    for status in ("pending", "processing", "shipped", "delivered"):
        OrderFactory(items=two, status=status)
    ShipmentFactory(items=two)
    for status in ("requested", "received", "refunded"):
        ReturnFactory(items=two, status=status)
    InvoiceFactory(items=two)


@pytest.mark.usefixtures("rows")
def test_a_list_has_the_lines_of_its_rows_only_if_asked(api, subtests):
    for path, lines in LINES.items():
        with subtests.test(path):
            url = f"/api/v1/{path}"
            with CaptureQueriesContext(connection) as queries:
                listed = api.get(url).json()["results"]
            expanded = api.get(url, {"expand": lines[0]}).json()["results"]
            one = [api.get(f"{url}/{row['id']}").json() for row in expanded]
            assert expanded == one
            assert any(row[lines[0]] for row in one)
            for row in one:
                for name in lines:
                    del row[name]
            assert listed == one, "all else is the same, although it is read without the lines"
            assert not any('."title"' in query["sql"] for query in queries)
            assert api.get(url, {"expand": "payments"}).json()["errors"]["expand"]
