"""Scenarios with orders of few and of many lines, whose events every context reacts to."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import pytest
from django.db import connection

from events import reactions
from events.models import EventRecord
from fulfillment import services as fulfillment
from orders.models import Order, Policy
from orders.services import goods as order_goods
from orders.services import lifecycle, reservations
from payments.gateways import DisputeResult, PaymentResult, WebhookEvent
from payments.models import Payment, PaymentAccount
from payments.services import capture, gateway, webhooks
from returns import services as returns
from returns.models import Return
from shipments.models import Shipment
from tests import factories
from tests.architecture.sizes import PIPELINED, lines
from tests.factories import OrderFactory, pay, start_payment
from tests.flows.goods import RunReactions, arrive, confirmed, lose, now, pack, pay_out, ship
from tests.fulfillment.factories import fulfillments, reach, short
from tests.reacting import as_rows
from tests.returns.factories import ReturnFactory, fail_refund, receive
from tests.shipments.factories import TO, create, label, packed

Scenario = Callable[[int, RunReactions], None]  # takes the number of the order's lines
SAVEPOINT = 2  # statements: it is taken and released
Counts = dict[str, list[int]]  # the queries of each call, by the reaction's name


@contextmanager
def counting(patch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """Count the queries of every reaction in the block, without those of the reactions to it.

    Its savepoint counts as two: where a transaction begins, it is one.
    """
    counts: Counts = defaultdict(list)
    total = [0]
    nested = [0]  # queries of the reactions to the events of each running reaction

    def count(execute: Any, sql: str, *arguments: Any) -> Any:
        total[0] += not sql.startswith(("SAVEPOINT", "RELEASE", *PIPELINED))
        return execute(sql, *arguments)

    def counted(registered: reactions.Registered) -> reactions.Registered:
        def handler(event: Any, about: EventRecord) -> None:
            started = total[0]
            nested.append(0)
            registered.handler(event, about)
            queries = total[0] - started
            counts[registered.name].append(SAVEPOINT + queries - nested.pop())
            nested[-1] += queries

        return replace(registered, handler=handler)

    with patch.context() as patched, connection.execute_wrapper(count):
        by_name = {name: counted(each) for name, each in reactions._by_name.items()}
        by_event = {
            name: [by_name[each.name] for each in registered]
            for name, registered in reactions._by_event.items()
        }
        patched.setattr(reactions, "_by_name", by_name)
        patched.setattr(reactions, "_by_event", defaultdict(list, by_event))
        yield counts


def order_of(size: int, **fields: object) -> Order:
    return OrderFactory(items=lines(size), customer_email="juan@example.com", **fields)


def paid(size: int, run_reactions: RunReactions) -> None:
    """An abandoned payment succeeds while another payment is pending."""
    order = order_of(size)
    first = start_payment(order)
    second = start_payment(order, method="manual")
    result = PaymentResult(
        gateway_payment_id=f"sandbox_{first.id}",
        state="succeeded",
        amount=first.amount,
        currency=first.currency,
        card_brand="visa",
        card_last4="4242",
    )
    event = WebhookEvent(
        event_id=f"evt_{size}",
        event_type="x",
        account=None,
        payment_id=first.id,
        payment_result=result,
    )
    webhooks.receive_webhook(gateway="sandbox", event=event)
    run_reactions()
    assert now(order).status == "confirmed"
    second.refresh_from_db()
    assert second.abandoned_at


def declined(size: int, run_reactions: RunReactions) -> None:
    """The payment is declined three times."""
    order = order_of(size)
    payment = start_payment(order, token="tok_declined")
    for _ in range(2):
        capture.retry_payment(payment_id=payment.id, token="tok_declined")
        gateway.call_gateway(payment_id=payment.id)
    run_reactions()
    assert now(order).cancellation_reason == "payment_failed"


def mismatched(size: int, run_reactions: RunReactions) -> None:
    """A payment captures another amount, and an operator applies it."""
    order = order_of(size)
    payment = start_payment(order, token="tok_wrong_amount")
    run_reactions()
    assert now(order).is_held()
    capture.apply_payment(payment_id=payment.id)
    run_reactions()
    assert not now(order).is_held()


def authorized(size: int, run_reactions: RunReactions) -> None:
    """The order is confirmed by its authorized payment, which is voided."""
    PaymentAccount.objects.update_or_create(
        {"confirm_on_authorization": True}, organization_id="org_1"
    )
    order = order_of(size)
    payment = start_payment(order, token="tok_ok", captures_later=True)
    run_reactions()
    assert now(order).status == "confirmed"
    capture.void_payment(payment_id=payment.id)
    run_reactions()
    assert now(order).is_held()


def replaced(size: int, run_reactions: RunReactions) -> None:
    """Another order replaces it, which its money pays."""
    old = order_of(size)
    start_payment(old, token="tok_ok")
    run_reactions()
    new = order_of(size, replaces=old.id)
    run_reactions()
    assert now(new).status == "confirmed"


def disputed(size: int, run_reactions: RunReactions) -> None:
    """The customer's bank takes a payment back, decides for the shop, and against it."""
    outcomes: tuple[Literal["won", "lost"], ...] = ("won", "lost")
    for outcome in outcomes:
        order = order_of(size)
        payment = start_payment(order, token="tok_ok")
        run_reactions()
        report_dispute(payment, "open")
        run_reactions()
        assert now(order).is_held()
        report_dispute(payment, outcome)
        run_reactions()
        assert now(order).is_held() == (outcome == "lost")


def report_dispute(payment: Payment, state: Literal["open", "won", "lost"]) -> None:
    dispute = DisputeResult(
        state=state,
        gateway_dispute_id="dp_1",
        amount=payment.amount,
        reason="fraudulent",
        reported_at=payment.created_at,
    )
    event = WebhookEvent(
        event_id=f"{state} {payment.id}",
        event_type="x",
        account=None,
        payment_id=payment.id,
        dispute_result=dispute,
    )
    webhooks.receive_webhook(gateway="sandbox", event=event)


def paid_and_cancelled(size: int, run_reactions: RunReactions) -> None:
    """The order is cancelled before the reactions to its payment ran."""
    for token in ("tok_ok", "tok_wrong_amount"):
        order = order_of(size)
        with as_rows():
            start_payment(order, token=token)
            lifecycle.cancel_order(order_id=order.id, reason="fraud")
        run_reactions()
        pay_out(order, run_reactions=run_reactions)


def reserved_elsewhere(size: int, run_reactions: RunReactions) -> None:
    """Inventory reserves in another warehouse after the order is confirmed, before it is picked."""
    order = confirmed(*[{"wh_1": 1, "wh_2": 1}] * size, run_reactions=run_reactions)
    allocations = [
        {"order_item_id": line.id, "warehouse_id": "wh_2", "quantity": 2} for line in order.lines
    ]
    reservations.reserve_stock(order_id=order.id, reservation_id="res_2", allocations=allocations)
    run_reactions()
    assert [each.status for each in fulfillments(order)] == ["cancelled", "open"]


def backordered(size: int, run_reactions: RunReactions) -> None:
    """Inventory reserves back-ordered units while a warehouse picks the others."""
    Policy.objects.get_or_create(organization_id="org_1", reservation="backorder")
    order = order_of(size)
    for number in (1, 2):
        allocations = [
            {"order_item_id": line.id, "warehouse_id": "wh_1", "quantity": 1}
            for line in order.lines
        ]
        reservations.reserve_stock(
            order_id=order.id, reservation_id=f"res_{number}", allocations=allocations
        )
        if number == 1:
            pay(order)
            run_reactions()
            reach(fulfillments(order)[0], "started")
    run_reactions()
    assert [each.quantities.total() for each in fulfillments(order)] == [2 * size]


def cancelled(size: int, run_reactions: RunReactions) -> None:
    """One warehouse has packed and labeled its units; another one has not started."""
    order = confirmed(*[{"wh_1": 1, "wh_2": 1}] * size, run_reactions=run_reactions)
    label(create(reach(fulfillments(order)[0], "packed")))
    run_reactions()
    lifecycle.cancel_order(order_id=order.id, reason="fraud")
    run_reactions()
    assert Shipment.objects.get(order=order).status == "cancelled"
    pay_out(order, run_reactions=run_reactions)


def written_off(size: int, run_reactions: RunReactions) -> None:
    """One unit of each line is short; another one is not picked yet."""
    order = confirmed(*[{"wh_1": 2, "wh_2": 1}] * size, run_reactions=run_reactions)
    found = reach(fulfillments(order)[0], "started")
    for line in range(size):
        short(found, line)
    units = {line.order_item_id: 1 for line in found.lines}
    fulfillment.write_off_short_units(fulfillment_id=found.id, units=units)
    run_reactions()
    pay_out(order, run_reactions=run_reactions)
    order_goods.write_off_units(order_id=order.id, units=units, reason="other")
    run_reactions()
    pay_out(order, run_reactions=run_reactions)
    assert [line.cancelled for line in now(order).lines] == [2] * size
    assert [line.quantity for line in fulfillments(order)[1].lines] == [0] * size


def sent(size: int, run_reactions: RunReactions) -> Shipment:
    order = confirmed(*[{"wh_1": 2}] * size, run_reactions=run_reactions)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    return ship(found, run_reactions=run_reactions)


def delivered(size: int, run_reactions: RunReactions) -> None:
    shipment = sent(size, run_reactions)
    arrive(shipment, run_reactions=run_reactions)
    assert now(shipment.order).status == "delivered"


def shipped_automatically(size: int, run_reactions: RunReactions) -> None:
    """The order contains its carrier and service, so the shipment is created automatically."""
    found = packed(*[2] * size, shipping=TO)
    run_reactions()
    assert Shipment.objects.filter(fulfillment=found).exists()


def lost(size: int, run_reactions: RunReactions) -> None:
    """The parcel is lost, and arrives after all."""
    shipment = sent(size, run_reactions)
    lose(shipment, run_reactions=run_reactions)
    arrive(shipment, run_reactions=run_reactions)
    assert now(shipment.order).status == "delivered"


def put_back(size: int, run_reactions: RunReactions) -> None:
    """A lost parcel arrives after its replacement was picked, which is then put back."""
    shipment = sent(size, run_reactions)
    lose(shipment, run_reactions=run_reactions)
    again = fulfillments(shipment.order)[1]
    pack(again, run_reactions=run_reactions)
    arrive(shipment, run_reactions=run_reactions)
    short(again, 0)
    run_reactions()
    assert now(shipment.order).quantities.total("delivered") == 1


def delivered_after_all(size: int, run_reactions: RunReactions) -> None:
    """A parcel that was to come back is delivered."""
    shipment = sent(size, run_reactions)
    lose(shipment, run_reactions=run_reactions, status="returned_to_sender")
    arrive(shipment, run_reactions=run_reactions)
    assert now(shipment.order).status == "delivered"


def returned_to_sender(size: int, run_reactions: RunReactions) -> None:
    """One unit of each line comes back in good condition, and the other one is missing."""
    shipment = sent(size, run_reactions)
    lose(shipment, run_reactions=run_reactions, status="returned_to_sender")
    row = Return.objects.get(shipment=shipment)
    receive(row, *[1] * size)
    run_reactions()
    returns.close_return(return_id=row.id)
    run_reactions()
    assert [line.quantity for line in fulfillments(shipment.order)[1].lines] == [1] * size


def came_back(size: int) -> Return:
    """A received return of all lines, with a requested refund."""
    row = ReturnFactory(items=lines(size), status="received")
    return returns.refund_return(return_id=row.id)


def refunded(size: int, run_reactions: RunReactions) -> None:
    row = came_back(size)
    run_reactions()
    pay_out(row.order, run_reactions=run_reactions)
    row.refresh_from_db()
    assert row.status == "refunded"


def refund_failed(size: int, run_reactions: RunReactions) -> None:
    row = came_back(size)
    run_reactions()
    fail_refund(row)
    run_reactions()
    row.refresh_from_db()
    assert row.due_amount == row.refunded_amount == 0


def refund_fell_short(size: int, run_reactions: RunReactions) -> None:
    """An operator has refunded a part before."""
    with as_rows():
        row = came_back(size)
    factories.refund(Payment.objects.get(order=row.order), "10")
    run_reactions()
    pay_out(row.order, run_reactions=run_reactions)
    row.refresh_from_db()
    assert row.status == "refunded"
