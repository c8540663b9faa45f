"""Slow requests of one organization, and slow gateways, leave threads for the others."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import pytest
from django.db import connections

from config.api import bulkheads
from fulfillment import documents
from orders.views import Orders
from payments.gateways.sandbox import Sandbox
from payments.models import Payment
from tests.api.test_problems import check
from tests.factories import OrderFactory
from tests.fulfillment.factories import FulfillmentFactory

pytestmark = pytest.mark.django_db(transaction=True)


class Hanging:
    """Calls that do not return before `release`."""

    def __init__(self, count):
        self.count, self.begun, self.released = count, Semaphore(0), Event()
        self.pool = ThreadPoolExecutor(count + 1)

    def hang(self):
        self.begun.release()
        assert self.released.wait(20)

    def send(self, request):
        """Send a request in a thread of its own."""

        def run():
            try:
                return request()
            finally:
                connections.close_all()

        return self.pool.submit(run)

    def start(self, requests):
        """Send the requests, and return when all of them hang."""
        sent = [self.send(request) for request in requests]
        for _ in range(self.count):
            assert self.begun.acquire(timeout=20)
        return sent

    def release(self, sent):
        self.released.set()
        return [each.result(timeout=20).status_code for each in sent]


@pytest.fixture
def lists(monkeypatch, settings):
    """Lists of orders of org_1 that hang."""
    settings.API_ORGANIZATION_SLOTS = 2
    hanging, paginate = Hanging(2), Orders.paginate_queryset

    def slow(view, rows):
        if view.caller.organization_id == "org_1":
            hanging.hang()
        return paginate(view, rows)

    monkeypatch.setattr(Orders, "paginate_queryset", slow)
    yield hanging
    hanging.released.set()


def read(client):
    return lambda: client.get("/api/v1/orders")


def test_stuck_requests_of_an_organization_leave_threads_for_the_others(lists, caller, monkeypatch):
    monkeypatch.setattr(bulkheads, "STUCK_AFTER", 0)
    sent = lists.start([read(caller())] * 2)
    refused = caller(subject="user_2").get("/api/v1/carts")
    check(refused, 503, "busy")
    assert refused["Retry-After"] == "1"
    assert caller(organization="org_2").get("/api/v1/orders").status_code == 200
    assert lists.release(sent) == [200, 200]
    assert caller().get("/api/v1/orders").status_code == 200


def test_a_request_waits_for_others_that_are_not_stuck(lists, caller, monkeypatch):
    changed, waiting = bulkheads._organizations._changed, Event()
    monkeypatch.setattr(bulkheads, "STUCK_AFTER", 20)
    monkeypatch.setattr(changed, "wait", lambda s, wait=changed.wait: waiting.set() or wait(s))
    sent = lists.start([read(caller())] * 2)
    sent.append(lists.send(read(caller())))
    assert waiting.wait(20)
    assert lists.release(sent) == [200, 200, 200]


def test_a_gateway_that_hangs_leaves_threads_for_the_others(caller, monkeypatch, settings):
    settings.API_OUTBOUND_SLOTS = 3
    monkeypatch.setattr(bulkheads, "STUCK_AFTER", 0)
    hanging, attempt = Hanging(2), Sandbox.attempt
    mine = [OrderFactory() for _ in range(3)]
    other = OrderFactory(organization_id="org_2")

    def hang(gateway, request):
        if request.order_id != other.pk:
            hanging.hang()
        return attempt(gateway, request)

    def pay(order):
        body = {"order_id": order.pk, "payment_method": "sandbox", "gateway_token": "tok_ok"}
        client, key = caller(organization=order.organization_id), {"Idempotency-Key": order.pk}
        return lambda: client.post("/api/v1/payments", body, headers=key)

    monkeypatch.setattr(Sandbox, "attempt", hang)
    sent = hanging.start([pay(order) for order in mine[:2]])
    try:
        refused = pay(mine[2])()
        check(refused, 503, "busy")
        assert refused["Retry-After"] == "1"
        assert not Payment.objects.filter(order=mine[2].pk).exists()
        assert caller().get("/api/v1/payments").status_code == 200
        assert pay(other)().json()["status"] == "succeeded"
    finally:
        assert hanging.release(sent) == [201, 201]
    assert pay(mine[2])().status_code == 201, "with the same key"


def test_a_long_document_leaves_the_processor_to_the_others(caller, monkeypatch, operator):
    monkeypatch.setattr(bulkheads, "STUCK_AFTER", 0)
    hanging, slip = Hanging(1), documents.packing_slip
    mine, other = FulfillmentFactory(), FulfillmentFactory(organization_id="org_2")

    def hang(fulfillment):
        if fulfillment.pk == mine.pk:
            hanging.hang()
        return slip(fulfillment)

    def fetch(row, name="packing-slip"):
        client = caller(organization=row.organization_id)
        return lambda: client.get(f"/api/v1/fulfillments/{row.pk}/{name}")

    monkeypatch.setattr(documents, "packing_slip", hang)
    sent = hanging.start([fetch(mine)])
    try:
        check(fetch(mine, "pick-list")(), 503, "busy")
        page = f"/admin/fulfillment/fulfillment/{mine.pk}/print/pick-list/"
        check(operator().get(page), 503, "busy")
        assert caller().get("/api/v1/fulfillments").status_code == 200
        assert fetch(other)().status_code == 200
    finally:
        assert hanging.release(sent) == [200]
    assert fetch(mine, "pick-list")().status_code == 200
