"""A reaction that always fails: only what depends on it waits, until an operator retries it."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.urls import reverse

from events import reactions
from events.models import EventRecord, Reaction
from invoices.models import Invoice
from orders.models import Order
from orders.services import lifecycle
from payments.exceptions import OrderNotPayable
from payments.models import Payment, Refund
from payments.services import gateway
from returns.models import Return
from shipments.models import Shipment
from tests.factories import OrderFactory, pay
from tests.flows.goods import now
from tests.fulfillment.factories import fulfillments, reach
from tests.reacting import InjectedError
from tests.returns.factories import ReturnFactory, refund

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@dataclass(frozen=True)
class Case:
    """What an order needs first, the command whose event causes the reaction, and its effect."""

    prepare: Callable[[], Order]
    act: Callable[[Order], Any]
    has_effect: Callable[[Order], bool]


def cancel_order(order: Order) -> None:
    lifecycle.cancel_order(order_id=order.id, reason="customer_request")


def confirmed() -> Order:
    order: Order = OrderFactory(status="confirmed", shipping={"carrier": "FedEx", "service": "2D"})
    return order


def pack(order: Order) -> None:
    reach(fulfillments(order)[0], "packed")


def returned() -> Order:
    return_request: Return = ReturnFactory(status="received")
    refund(return_request)
    return return_request.order


def pay_out(order: Order) -> None:
    gateway.call_gateway(payment_id=Payment.objects.get(order=order).id)


CASES = {
    "orders.confirm_paid_order": Case(
        OrderFactory, pay, lambda order: now(order).status == "confirmed"
    ),
    "payments.refund_cancelled_order": Case(
        confirmed,
        cancel_order,
        lambda order: Refund.objects.filter(payment__order=order).exists(),
    ),
    "fulfillment.open_fulfillments": Case(
        OrderFactory, pay, lambda order: bool(fulfillments(order))
    ),
    "shipments.ship_packed_units": Case(
        confirmed, pack, lambda order: Shipment.objects.filter(order=order).exists()
    ),
    "returns.complete_refunded_return": Case(
        returned, pay_out, lambda order: Return.objects.get(order=order).status == "refunded"
    ),
    "invoices.bill_confirmed_order": Case(
        OrderFactory, pay, lambda order: Invoice.objects.filter(order=order).exists()
    ),
}


def work() -> None:
    """Run the reactions that workers would run until each is parked or has succeeded."""
    while due := Reaction.objects.filter(parked_at=None).order_by("id"):
        blocked = set(Reaction.objects.exclude(parked_at=None).values_list("stream", "context"))
        pairs = {(row.stream, row.context) for row in due} - blocked
        if not pairs:
            return
        due.update(not_before=None)
        for stream in sorted({stream for stream, _ in pairs}):
            reactions.run_pending(stream)


@pytest.fixture
def breaking(monkeypatch):
    """Return a function that lets a reaction fail on one stream, and returns one that mends it."""

    def break_on(name: str, stream: str) -> Callable[[], None]:
        registered, broken = reactions._by_name[name], [stream]

        def handler(event: Any, about: EventRecord) -> None:
            registered.handler(event, about)
            if about.stream in broken:
                raise InjectedError

        failing = replace(registered, handler=handler)
        by_event = {
            event: [failing if each.name == name else each for each in its]
            for event, its in reactions._by_event.items()
        }
        monkeypatch.setitem(reactions._by_name, name, failing)
        monkeypatch.setattr(reactions, "_by_event", defaultdict(list, by_event))
        return broken.clear

    return break_on


def retry_in_the_admin(client: Any, name: str) -> None:
    """Find the parked reaction on its page, and press its button."""
    listed = client.get(reverse("admin:events_reaction_changelist"), {"queue": "parked"})
    (row,) = listed.context["cl"].result_list
    assert row.reaction == name
    assert "InjectedError" in listed.content.decode()
    retry = reverse("admin:events_reaction_command", args=[row.pk, "retry"])
    assert client.post(retry).status_code == 302


@pytest.mark.parametrize("name", CASES)
def test_the_command_succeeds_and_only_the_effect_waits_for_an_operator(name, breaking, operator):
    case = CASES[name]
    order, other = case.prepare(), case.prepare()
    work()
    mend = breaking(name, order.id)
    for each in (order, other):
        case.act(each)
        work()
    assert case.has_effect(other)
    assert not case.has_effect(order)
    row = Reaction.objects.get(parked_at__isnull=False)
    assert (row.reaction, row.attempts, row.stream) == (name, 10, order.id)
    assert {each.context for each in Reaction.objects.all()} == {name.partition(".")[0]}
    mend()
    retry_in_the_admin(operator(), name)
    work()
    assert case.has_effect(order)
    assert not Reaction.objects.exists()


def test_later_reactions_of_the_context_wait_and_those_of_others_do_not(breaking, operator):
    order = OrderFactory()
    mend = breaking("fulfillment.open_fulfillments", order.id)
    pay(order)
    work()
    cancel_order(order)
    assert Refund.objects.get(payment__order=order).status == "pending"
    work()
    pay_out(order)
    work()
    (invoice,) = Invoice.objects.filter(order=order)
    assert invoice.credit_notes
    waiting = Reaction.objects.order_by("id").values_list("reaction", "attempts")
    assert list(waiting) == [
        ("fulfillment.open_fulfillments", 10),
        ("fulfillment.cancel_fulfillments", 0),
    ]
    mend()
    retry_in_the_admin(operator(), "fulfillment.open_fulfillments")
    work()
    assert not Reaction.objects.exists()
    assert {each.status for each in fulfillments(order)} <= {"cancelled"}


def test_an_order_whose_confirmation_is_parked_is_not_charged_again(breaking):
    order = OrderFactory()
    breaking("orders.confirm_paid_order", order.id)
    pay(order)
    work()
    with pytest.raises(OrderNotPayable, match="is paid"):
        pay(order)
    assert not fulfillments(order)
