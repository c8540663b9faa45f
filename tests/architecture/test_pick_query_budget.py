"""The number of queries of a scan does not grow with the number of lines."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.factories import LineFactory, OrderFactory
from tests.fulfillment.factories import fulfillments, reach

pytestmark = pytest.mark.django_db

LINES = (1, 5)
JSON = {"Accept": "application/json"}


def started(lines):
    order = OrderFactory(status="confirmed", items=[LineFactory() for _ in range(lines)])
    return reach(fulfillments(order)[0], "started")


@pytest.mark.parametrize(("method", "budget"), [("get", 5), ("post", 30)])
def test_the_pick_screen(operator, method, budget):
    client, counted = operator(), []
    for size in LINES:
        row = started(size)
        url = reverse("admin:fulfillment_fulfillment_pick", args=[row.pk])
        for scan in range(2):  # the first request fills the caches of the process
            sent = {"code": row.lines[-1].variant_id, "scan_id": f"scan_{scan}"}
            with CaptureQueriesContext(connection) as queries:
                response = getattr(client, method)(url, sent, headers=JSON)
            assert response.status_code == 200
        counted.append((len(queries), [query["sql"][:200] for query in queries]))
    (small, _), (large, statements) = counted
    assert small == large, statements
    assert large <= budget, statements
