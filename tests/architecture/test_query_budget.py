"""The number of queries of an endpoint is fixed and does not grow with the response."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events import reactions
from events.models import EventRecord, Publication
from invoices import services as invoice_services
from invoices.models import Seller
from orders.services import goods, lifecycle
from payments.services.refunds import request_refund
from tests.api.test_routes import ROUTES
from tests.architecture.sizes import PIPELINED, SIZES, lines
from tests.factories import (
    ADDRESS,
    CartFactory,
    InvoiceFactory,
    OrderFactory,
    PaymentFactory,
    credit,
    deliver,
    deliver_documents,
    refund,
    ship,
    start_payment,
)
from tests.fulfillment import budget as fulfillment
from tests.invoices.test_einvoices import SELLER
from tests.returns.factories import ReturnFactory, return_in_parcels, returns_of_one_order
from tests.shipments import budget as shipments

pytestmark = pytest.mark.django_db

WORN = {"note": "Worn.", "forgo_refund": True}
REFUND = {"amount": "1.00", "reason": "operator"}
LINE = {"variant_id": "var_1", "title": "A shirt", "quantity": 1, "unit_price": "25.00"}


def carts(api, size):
    [CartFactory(lines=lines(1)) for _ in range(size)]
    return lambda: api.get("/api/v1/carts?page_size=100")


def orders(api, size):
    [OrderFactory(items=lines(size)) for _ in range(size)]
    return lambda: api.get("/api/v1/orders?page_size=100")


def feed(api, size):
    for _ in range(size):
        for event in EventRecord.objects.filter(stream=OrderFactory().id):
            Publication.objects.create(event=event, organization_id="org_1")
    return lambda: api.get("/api/v1/events?page_size=100")


def timeline(api, size):
    row = OrderFactory()
    for _ in range(size):
        lifecycle.hold_order(order_id=row.id, reason="fraud")
        lifecycle.release_order(order_id=row.id)
    return lambda: api.get(f"/api/v1/orders/{row.id}/timeline?page_size=100")


def new_cart(api, size):
    return lambda: api.post("/api/v1/carts", {"customer_id": "cust_1", "currency": "USD"})


def new_order(api, size):
    body = {"currency": "USD", "shipping_address": ADDRESS, "items": [LINE] * size}
    return lambda: api.post("/api/v1/orders", body)


def of_cart(verb, body=None, method="post", line=False, **headers):
    def endpoint(api, size):
        row = CartFactory(lines=lines(size), customer_id=None, session_id="sess_1")
        sent = body(size) if callable(body) else body
        url = f"/api/v1/carts/{row.id}{verb}" + (f"/{row.lines[0].id}" if line else "")
        json = {} if method == "get" else {"content_type": "application/json"}
        return lambda: getattr(api, method)(url, sent, headers=headers, **json)

    return endpoint


def of_order(verb, body=None, method="post", status="placed", hold=False):
    def endpoint(api, size):
        row = OrderFactory(items=lines(size), status=status)
        if hold:
            lifecycle.hold_order(order_id=row.id, reason="fraud")
        sent = body(row) if callable(body) else body
        json = {} if method == "get" else {"content_type": "application/json"}
        return lambda: getattr(api, method)(f"/api/v1/orders/{row.id}{verb}", sent, **json)

    return endpoint


def of_customer(verb, method):
    def endpoint(api, size):
        OrderFactory(items=lines(size), status="cancelled", customer_id=f"cust_{size}")
        url, json = f"/api/v1/customers/cust_{size}/{verb}", {"content_type": "application/json"}
        return lambda: getattr(api, method)(url, **({} if method == "get" else json))

    return endpoint


def written_off(api, size):
    row = OrderFactory(items=lines(size), status="processing")
    goods.write_off_units(order_id=row.id, units={line.id: 1 for line in row.lines}, reason="other")
    return lambda: api.post(f"/api/v1/orders/{row.id}/release-units", {})


def of_payment(verb, body=None, method="post", status="succeeded"):
    """A payment with as many refunds as its order has lines."""

    def endpoint(api, size):
        row = PaymentFactory(status=status)
        for _ in range(size if status == "succeeded" else 0):
            refund(row, "1")
        json = {} if method == "get" else {"content_type": "application/json"}
        url, headers = f"/api/v1/payments/{row.id}{verb}", {"Idempotency-Key": "key"}
        return lambda: getattr(api, method)(url, body, headers=headers, **json)

    return endpoint


def refunded_by_line(api, size):
    row = OrderFactory(items=lines(size), status="confirmed")
    items = [{"order_item_id": line.id, "quantity": 1} for line in row.lines]
    url, headers = f"/api/v1/orders/{row.id}/refunds", {"Idempotency-Key": "key"}
    return lambda: api.post(url, {"items": items, "reason": "operator"}, headers=headers)


def mismatched(api, size):
    row = start_payment(OrderFactory(items=lines(size)), token="tok_wrong_amount")
    return lambda: api.post(f"/api/v1/payments/{row.id}/apply", {})


def manual_refund(verb):
    def endpoint(api, size):
        row, given = PaymentFactory(), {"reason": "operator", "method": "store_credit"}
        for _ in range(size):
            last = request_refund(payment_id=row.id, amount=Decimal(1), **given)
        url, body = f"/api/v1/payments/{row.id}{verb}", {"refund_id": last.id}
        return lambda: api.post(url, body)

    return endpoint


def full_invoice(size):
    """Create an invoice of many lines, with many credit notes, deliveries and PDFs."""
    row = InvoiceFactory(items=lines(size))
    for n in range(size):
        invoice_services.send_invoice(invoice_id=row.id, recipient_email=f"c{n}@example.com")
        credit(row, "1.00", f"ref_{row.id}_{n}")
    deliver_documents()
    return row


def invoices(api, size):
    [InvoiceFactory() for _ in range(size - 1)]
    full_invoice(size)
    return lambda: api.get("/api/v1/invoices?page_size=100")


def of_invoice(verb, method="get", body=None):
    def endpoint(api, size):
        url = f"/api/v1/invoices/{full_invoice(size).id}{verb}"
        return lambda: getattr(api, method)(url, *([body] if body else []))

    return endpoint


def electronic_invoice(api, size):
    Seller.objects.get_or_create(organization_id="org_1", defaults=SELLER)
    return of_invoice("/xml")(api, size)


def payments(api, size):
    [PaymentFactory() for _ in range(size)]
    return lambda: api.get("/api/v1/payments?page_size=100")


def new_payment(api, size):
    body = {"order_id": OrderFactory(items=lines(size)).id, "payment_method": "sandbox"}
    key = {"Idempotency-Key": f"key-{size}"}
    return lambda: api.post("/api/v1/payments", body | {"gateway_token": "tok_ok"}, headers=key)


def gift_card(api, size):
    row = OrderFactory(items=lines(size))
    body = {"amount": "1.00", "provider": "gift_card", "reference": row.id, "order_id": row.id}
    return lambda: api.post("/api/v1/payments/external", body)


def reserved(api, size):
    row = start_payment(OrderFactory(items=lines(size)), token="tok_ok", captures_later=True)
    return lambda: api.post(f"/api/v1/payments/{row.id}/void", {})


def by_hand(api, size):
    row = start_payment(OrderFactory(items=lines(size)), method="manual")
    return lambda: api.post(f"/api/v1/payments/{row.id}/capture", {})


def returns(api, size):
    returns_of_one_order(size - 1)
    return_in_parcels(size)
    return lambda: api.get("/api/v1/returns?page_size=100")


def one_return(api, size):
    url = f"/api/v1/returns/{return_in_parcels(size).id}"
    return lambda: api.get(url)


def new_return(api, size):
    order = OrderFactory(items=lines(size), status="delivered")
    body = {"order_id": order.id, "reason": "too_big", "items": everything(order)["items"]}
    return lambda: api.post("/api/v1/returns", body)


def receipt(row):
    units = [
        {"order_item_id": line.order_item_id, "quantity": 1, "condition": "good"}
        for line in row.lines
    ]
    return {"warehouse_id": "wh_1", "items": units}


def of_return(verb, body, status="requested"):
    def endpoint(api, size):
        row = ReturnFactory(items=lines(size), status=status)
        sent = body(row) if callable(body) else body
        url, headers = f"/api/v1/returns/{row.id}{verb}", {"Idempotency-Key": "key"}
        return lambda: api.post(url, sent, headers=headers)

    return endpoint


def allocations(row):
    units = [
        {"order_item_id": line.id, "warehouse_id": "wh_1", "quantity": 2} for line in row.lines
    ]
    return {"reservation_id": "res_1", "allocations": units}


def everything(row):
    units = [{"order_item_id": line.id, "quantity": 1} for line in row.lines]
    return {"items": units, "reason": "other"}


BUDGET = {  # by method and route: the request, and its queries
    ("get", "cart-list"): (carts, 2),
    ("post", "cart-list"): (new_cart, 2),
    ("get", "cart-detail"): (of_cart("", method="get"), 2),
    ("post", "cart-items"): (of_cart("/items", LINE), 5),
    ("patch", "cart-item"): (of_cart("/items", {"quantity": 7}, "patch", line=True), 5),
    ("delete", "cart-item"): (of_cart("/items", {}, "delete", line=True), 5),
    ("post", "cart-merge"): (
        of_cart("/merge", lambda size: {"into": CartFactory(lines=lines(size)).id}),
        10,
    ),
    ("post", "cart-checkout"): (
        of_cart("/checkout", {"shipping_address": ADDRESS}, **{"Idempotency-Key": "key"}),
        11,
    ),
    ("get", "order-list"): (orders, 2),
    ("post", "order-list"): (new_order, 5),
    ("get", "order-detail"): (of_order("", method="get"), 3),
    ("get", "order-timeline"): (timeline, 5),
    ("patch", "order-detail"): (of_order("", {"customer_email": "new@example.com"}, "patch"), 7),
    ("post", "order-edits"): (of_order("/edits", {"discount": {"amount": "1.00"}}), 30),
    ("post", "order-place"): (of_order("/place", {}, status="pending"), 7),
    ("post", "order-reservation"): (of_order("/reservation", allocations), 8),
    ("post", "order-cancel"): (of_order("/cancel", {"reason": "fraud"}), 9),
    ("post", "order-write-off"): (of_order("/write-off", everything, status="processing"), 11),
    ("post", "order-hold"): (of_order("/hold", {"reason": "fraud"}), 6),
    ("post", "order-release"): (of_order("/release", {}, hold=True), 7),
    ("post", "order-release-units"): (written_off, 9),
    ("get", "payment-list"): (payments, 3),
    ("post", "payment-list"): (new_payment, 16),
    ("get", "payment-detail"): (of_payment("", method="get"), 3),
    ("post", "payment-retry"): (of_payment("/retry", {}, status="failed"), 17),
    ("post", "payment-external"): (gift_card, 10),
    ("post", "payment-void"): (reserved, 7),
    ("post", "payment-capture"): (by_hand, 7),
    ("post", "payment-apply"): (mismatched, 6),
    ("post", "payment-refunds"): (of_payment("/refunds", REFUND), 16),
    ("post", "order-refunds"): (refunded_by_line, 9),
    ("post", "payment-record-refund"): (manual_refund("/record-refund"), 7),
    ("post", "payment-withdraw-refund"): (manual_refund("/withdraw-refund"), 7),
    ("get", "return-list"): (returns, 2),
    ("post", "return-list"): (new_return, 10),
    ("get", "return-detail"): (one_return, 4),
    ("post", "return-approve"): (of_return("/approve", {}), 9),
    ("post", "return-reject"): (of_return("/reject", {}), 8),
    ("post", "return-cancel"): (of_return("/cancel", {}), 8),
    ("post", "return-receive"): (of_return("/receive", receipt, status="approved"), 10),
    ("post", "return-refund"): (of_return("/refund", {}, status="received"), 12),
    ("post", "return-close"): (of_return("/close", WORN, status="received"), 12),
    ("get", "invoice-list"): (invoices, 4),
    ("get", "invoice-detail"): (of_invoice(""), 4),
    ("get", "invoice-pdf"): (of_invoice("/pdf"), 4),
    ("get", "invoice-xml"): (electronic_invoice, 4),
    ("post", "invoice-send"): (of_invoice("/send", "post"), 9),
    ("post", "invoice-revoke-links"): (of_invoice("/revoke-links", "post"), 9),
    ("post", "invoice-reissue"): (of_invoice("/reissue", "post", {"buyer": ADDRESS}), 16),
    ("get", "publication-list"): (feed, 1),
    ("get", "customer-export"): (of_customer("export", "get"), 34),
    ("post", "customer-erase"): (of_customer("erase", "post"), 50),
    **fulfillment.BUDGET,
    **shipments.BUDGET,
}


def test_every_route_has_a_budget():
    assert BUDGET.keys() == {(method, name) for method, name, _ in ROUTES}


@pytest.mark.parametrize("route", BUDGET, ids=" ".join)
@pytest.mark.usefixtures("media")
def test_queries(api, route, monkeypatch):
    """Without the reactions to the events of the request, which have budgets of their own."""
    endpoint, budget = BUDGET[route]
    counted = []
    for size in SIZES:
        send = endpoint(api, size)
        with monkeypatch.context() as patch, CaptureQueriesContext(connection) as captured:
            patch.setattr(reactions, "immediate", lambda name: [])
            response = send()
        assert response.status_code < 300, response.json()
        # Where a transaction begins, the test has a savepoint.
        uncounted = ("SAVEPOINT", "RELEASE", *PIPELINED)
        queries = [q["sql"] for q in captured if not q["sql"].startswith(uncounted)]
        counted.append(len(queries))
    small, large = counted
    assert small == large, queries
    assert large <= budget, [sql[:150] for sql in queries]


def write_off_everything(order):
    units = {line.id: line.quantity for line in order.lines}
    goods.write_off_units(order_id=order.id, units=units, reason="other")


@pytest.mark.parametrize("step", [ship, deliver, write_off_everything])
def test_units_are_counted_in_as_many_queries_for_many_lines(step):
    counted = []
    for size in SIZES:
        order = OrderFactory(
            items=lines(size), status="shipped" if step is deliver else "processing"
        )
        with CaptureQueriesContext(connection) as queries:
            step(order)
        counted.append(len(queries))
    assert counted[0] == counted[1], [q["sql"][:150] for q in queries]
