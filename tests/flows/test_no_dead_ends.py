"""From every status of every aggregate, documented requests lead to an end."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

import fulfillment.selectors
import orders.selectors
import payments.selectors
import returns.selectors
import shipments.selectors
from carts.models import Cart
from carts.services import abandon_idle_carts, expire_idle_carts
from carts.views import Carts
from events.aggregate import Aggregate, aggregates
from events.viewsets import AggregateViewSet
from fulfillment.models import Fulfillment
from fulfillment.views import Fulfillments
from invoices.models import Invoice
from invoices.views import Invoices
from orders.models import Order, Policy
from orders.services.lifecycle import hold_unreserved_orders
from orders.views import Orders
from payments.models import Payment, PaymentAccount, Refund
from payments.services import gateway
from payments.views import Payments
from returns.models import Return
from returns.views import Returns
from shipments.models import Shipment
from shipments.views import Shipments
from tests.factories import ADDRESS, CartFactory

pytestmark = pytest.mark.django_db

Body = dict[str, Any]
Status = tuple[type, str]
VIEWS: list[type[AggregateViewSet]] = [
    Carts,
    Orders,
    Payments,
    Fulfillments,
    Shipments,
    Returns,
    Invoices,
]
ROWS: dict[Any, Callable[[], Any]] = {
    Order: orders.selectors.with_payment_totals,
    Payment: payments.selectors.with_parts,
    Fulfillment: fulfillment.selectors.with_lines,
    Shipment: shipments.selectors.with_parts,
    Return: returns.selectors.with_parts,
}
# The rows that a life may have. Otherwise a walk moves, cancels and refunds without end.
MOST = {Payment: 2, Fulfillment: 2, Shipment: 1, Return: 1}
# What is left out in these statuses of the order, so that the walk is short.
SKIPPED = {
    (Order, "correct"): ["placed", "paid", "confirmed", "processing"],
    (Order, "hold"): ["pending", "paid", "shipped"],  # paid: the timer holds it
    (Payment, "refund"): ["confirmed", "processing", "shipped"],
}
# The goods go other ways too, however the order is paid: one that is not paid yet goes straight.
DETOURS = {"hold", "move", "scan", "revoke-links"}
TOKENS = ("tok_ok", "tok_declined", "tok_slow", "tok_timeout", "tok_wrong_amount")
numbers = count()


def routes() -> dict[tuple[Any, str], str]:
    """Return the name of the route of each verb of an aggregate."""
    found: dict[tuple[Any, str], str] = {
        (Fulfillment, "short"): "fulfillment-picks",
        (Order, "correct"): "order-detail",
    }
    for view in VIEWS:
        model = view.queryset.model
        for action in view.get_extra_actions():
            verb = action.operation.verb or action.url_path
            found[model, verb] = f"{model._meta.model_name}-{action.url_name}"
            for method in action.mapping.values():  # of the same URL
                found[model, method] = found[model, verb]
    return found


ROUTES = routes()


def unit(row: Any) -> Body:
    """Return one unit of the first line."""
    line = row.lines[0]
    item = line.id if isinstance(row, Order) else line.order_item_id
    return {"order_item_id": item, "quantity": 1}


def scanned(row: Any, **given: str) -> Body:
    return unit(row) | {"scan_id": f"scan_{next(numbers)}", **given}


def reservations(row: Any) -> list[Body]:
    """Reserve one unit, or reject the order or, after one was reserved, the other unit."""
    allocations = [unit(row) | {"warehouse_id": "wh_1"}]
    first, further = {"reservation_id": "res_1"}, {"reservation_id": "res_2"}
    if row.reservation_id is None:
        return [first | {"allocations": allocations}, {"rejected": True}]
    answers = [first | {"rejected": True}]
    if row.has_backordered_units():
        answers += [further | {"allocations": allocations}, further | {"rejected": True}]
    return answers


def manual_refunds(row: Any) -> list[Body]:
    return [{"refund_id": refund.id} for refund in row.pending_refunds(by_hand=True)]


# The bodies that a client may send; without an entry, an empty one.
BODIES: dict[tuple[Any, str], Callable[[Any], list[Body]]] = {
    (Order, "place"): lambda row: [{}, {"payment_method": "invoice"}],
    (Order, "reservation"): reservations,
    (Order, "correct"): lambda row: [{"customer_email": "ana@example.com"}],
    (Order, "cancel"): lambda row: [{"reason": "customer_request"}],
    (Order, "hold"): lambda row: [{"reason": "fraud"}],
    (Order, "write-off"): lambda row: [{"items": [unit(row)], "reason": "other"}],
    (Payment, "retry"): lambda row: [{"gateway_token": token} for token in TOKENS[:2]],
    (Payment, "refund"): lambda row: [{"amount": str(row.refundable), "reason": "operator"}],
    (Payment, "record-refund"): manual_refunds,
    (Payment, "withdraw-refund"): manual_refunds,
    (Fulfillment, "start"): lambda row: [{"warehouse_id": row.warehouse_id or "wh_1"}],
    (Fulfillment, "pick"): lambda row: [scanned(row)],
    (Fulfillment, "short"): lambda row: [scanned(row, short_reason="gone")],
    (Fulfillment, "pack"): lambda row: [{"packages": [{"weight": "1"}]}],
    (Fulfillment, "move"): lambda row: [{"warehouse_id": "wh_2", "items": [unit(row)]}],
    (Fulfillment, "write-off"): lambda row: [{"items": [unit(row)]}],
    (Shipment, "scan"): lambda row: [
        {"status": status} for status in ("in_transit", "exception", "lost", "returned_to_sender")
    ],
    (Return, "receive"): lambda row: [
        {"warehouse_id": "wh_1", "items": [unit(row) | {"condition": condition}]}
        for condition in ("good", "damaged")
    ],
    (Return, "refund"): lambda row: [{}, {"refund_method": "store_credit"}],
    (Return, "close"): lambda row: [{"note": "It was worn.", "forgo_refund": True}],
}


class Walk:
    """All lives of one order of two units, as far as they differ in what can happen next."""

    def __init__(self, api: Any, order_id: str) -> None:
        self.api, self.order_id = api, order_id
        self.leads_to: dict[Any, set[Any]] = defaultdict(set)
        self.ends: set[Any] = set()
        self.statuses: dict[Any, set[Status]] = defaultdict(set)
        self.used: set[tuple[type, str]] = set()

    def go_on(self) -> Any:
        """Make every move from here, unless a life like this one did; return its key."""
        rows = self.rows()
        key = frozenset(
            (type(row), row.status, is_open, *row.allowed_actions())
            for row, is_open in zip(rows, map(is_unfinished, rows), strict=True)
            if (is_open or row.allowed_actions()) and not is_surplus(row)
        )
        is_known = key in self.statuses
        refunds = [refund for row in rows if isinstance(row, Payment) for refund in row.refunds]
        self.statuses[key] |= {(type(row), row.status) for row in [*rows, *refunds]}
        if is_known:
            return key
        order = rows[0]
        if not order.has_unreleased_units() and not any(is_open for _, _, is_open, *_ in key):
            self.ends.add(key)
        for move in self.moves(rows):
            with transaction.atomic():
                if move():
                    self.leads_to[key].add(self.go_on())
                transaction.set_rollback(True)
        return key

    def rows(self) -> list[Any]:
        """Return the order, and the rows that belong to it."""
        of_order = {model: {"pk" if model is Order else "order": self.order_id} for model in ROWS}
        return [
            row
            for model, read in ROWS.items()
            for row in read().filter(**of_order[model]).order_by("id")
        ]

    def moves(self, rows: list[Any]) -> Iterator[Callable[[], bool]]:
        for row in rows:
            for verb in row.allowed_actions():
                if rows[0].status in SKIPPED.get((type(row), verb), ()):
                    continue
                if rows[0].hold_reason and rows[0].status == "processing" and verb != "release":
                    continue  # it is released, and then goes on
                if rows[0].is_on_account and verb in DETOURS:
                    continue
                for body in BODIES.get((type(row), verb), lambda row: [{}])(row):
                    yield partial(self.request, row, verb, body)
        for model, url, body in creations(rows):
            if self.has_room(model):
                yield partial(self.post, url, body)
        if Payment.objects.filter(Payment.unfinished(), order=self.order_id).exists():
            yield gateways_answer
        if rows[0].status == Order.Status.PAID:
            yield inventory_is_silent

    def has_room(self, model: Any) -> bool:
        return bool(model.objects.filter(order=self.order_id).count() < MOST[model])

    def request(self, row: Aggregate, verb: str, body: Body) -> bool:
        """Return whether the request for the verb was accepted."""
        if verb == "move" and not self.has_room(Fulfillment):
            return False
        send = self.patch if verb == "correct" else self.post
        is_accepted = send(reverse(ROUTES[type(row), verb], args=[row.pk]), body)
        if is_accepted:
            self.used.add((type(row), verb))
        return is_accepted

    def patch(self, url: str, body: Body) -> bool:
        response = self.api.patch(url, body, content_type="application/json")
        return bool(response.status_code < 300)

    def post(self, url: str, body: Body) -> bool:
        headers = {"Idempotency-Key": f"key_{next(numbers)}"}
        response = self.api.post(url, body, headers=headers)
        assert response.status_code in (200, 201, 409, 422), response.json()
        return bool(response.status_code < 300)


def is_surplus(row: Any) -> bool:
    """Return whether it is money that no rule of the order asks for."""
    return isinstance(row, Payment) and row.surplus_of_id is not None


def is_unfinished(row: Aggregate) -> bool:
    return bool(type(row).objects.filter(type(row).unfinished(), pk=row.pk).exists())


def creations(rows: list[Any]) -> Iterator[tuple[Any, str, Body]]:
    """Yield the requests that add a row to the order."""
    order = rows[0]
    to_order = {"order_id": order.id}
    by_hand, by_card = {"payment_method": "manual"}, {"payment_method": "sandbox"}
    if order.status == Order.Status.PLACED:
        for token in TOKENS:
            yield Payment, "/api/v1/payments", to_order | by_card | {"gateway_token": token}
        later = {"gateway_token": "tok_ok", "capture_later": True}
        yield Payment, "/api/v1/payments", to_order | by_card | later
    owes = any(isinstance(row, Payment) and row.outstanding for row in rows)
    if order.status == Order.Status.PLACED or (order.status == Order.Status.DELIVERED and owes):
        yield Payment, "/api/v1/payments", to_order | by_hand
    for row in rows:
        if isinstance(row, Fulfillment) and row.status == Fulfillment.Status.PACKED:
            by = {"carrier": "FedEx", "service": "Ground"}
            yield Shipment, "/api/v1/shipments", {"fulfillment_id": row.id, **by}
    if order.lines[0].delivered:
        body = {"order_id": order.id, "reason": "other", "items": [unit(order)]}
        yield Return, "/api/v1/returns", body


def gateways_answer() -> bool:
    return gateway.call_due_gateways(now=timezone.now() + timedelta(days=1)) > 0


def inventory_is_silent() -> bool:
    return hold_unreserved_orders(now=timezone.now() + timedelta(days=1)) > 0


def verbs(*models: Any) -> set[tuple[Any, str]]:
    return {(model, row.verb) for model in models for row in model.transitions() if row.verb}


def reachable(model: Any) -> set[Status]:
    """Return the statuses that the transitions of an aggregate lead to from the first one."""
    found = {str(model._meta.get_field("status").default)}
    while (
        more := {
            str(row.target) for row in model.transitions() if row.target and found & {*row.source}
        }
        - found
    ):
        found |= more
    return {(model, status) for status in found}


def test_every_verb_has_a_route():
    assert verbs(*aggregates()) - ROUTES.keys() == set()


def test_every_status_of_an_order_and_its_rows_leads_to_an_end(api):
    item = {"variant_id": "var_1", "title": "A shirt", "quantity": 2, "unit_price": "25.00"}
    body = {"currency": "USD", "items": [item], "shipping_address": ADDRESS}
    Policy.objects.create(organization_id="org_1", reservation=Policy.Reservation.BACKORDER)
    PaymentAccount.objects.create(organization_id="org_1", invoice_days=14)
    walk = Walk(api, api.post("/api/v1/orders", body).json()["id"])
    walk.go_on()
    reaching = set(walk.ends)
    while more := {key for key, after in walk.leads_to.items() if after & reaching} - reaching:
        reaching |= more
    dead_ends = walk.statuses.keys() - reaching
    assert {key: walk.statuses[key] for key in dead_ends} == {}
    passed = set().union(*walk.statuses.values())
    assert passed == {
        *(status for model in ROWS for status in reachable(model)),
        *((Refund, str(status)) for status in Refund.Status),
    }
    assert walk.used == verbs(*ROWS), "a verb is never accepted: add its body to BODIES"


CARTS: dict[str, Callable[[Any, Cart], object]] = {  # how a cart comes to each status
    "active": lambda api, cart: None,
    "abandoned": lambda api, cart: abandon_idle_carts(now=timezone.now() + timedelta(days=2)),
    "expired": lambda api, cart: expire_idle_carts(now=timezone.now() + timedelta(days=100)),
    "converted": lambda api, cart: check_out(api, cart),
    "merged": lambda api, cart: api.post(
        f"/api/v1/carts/{cart.id}/merge", {"into": CartFactory().id}
    ),
}


def check_out(api: Any, cart: Cart) -> int:
    headers = {"Idempotency-Key": f"key_{next(numbers)}"}
    body = {"shipping_address": ADDRESS}
    return int(api.post(f"/api/v1/carts/{cart.id}/checkout", body, headers=headers).status_code)


@pytest.mark.parametrize("status", CARTS)
def test_every_status_of_a_cart_leads_to_an_end(status, api):
    assert reachable(Cart) == {(Cart, each) for each in CARTS}
    cart = CartFactory(customer_id=None, session_id="sess_1")
    CARTS[status](api, cart)
    cart.refresh_from_db()
    assert cart.status == status
    assert status in Cart.terminal_statuses or check_out(api, cart) == 201


def test_every_status_of_an_invoice_is_an_end():
    assert set(Invoice.Status) == Invoice.terminal_statuses
