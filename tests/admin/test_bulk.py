"""Commands on several rows of a list: each row has its own effect and its own message."""

from dataclasses import replace

import pytest
from django.urls import reverse

from config.admin import bulk
from events.models import EventRecord
from orders.admin import OrderAdmin
from orders.models import Order
from orders.services import lifecycle
from tests.conftest import Operator
from tests.factories import OrderFactory, PaymentFactory
from tests.log import event_names
from tests.parallel import at_once

pytestmark = pytest.mark.django_db

ORDERS = reverse("admin:orders_order_changelist")
PAYMENTS = reverse("admin:payments_payment_changelist")


def run(client, page, action, *rows, **more):
    """Select rows, run a command on them, and return the messages."""
    sent = {"action": action, "_selected_action": [row.pk for row in rows], "index": 0, **more}
    response = client.post(page, sent, follow=True)
    assert response.redirect_chain, "reloading the page must not send the form again"
    return [str(message) for message in response.context["messages"]]


def held(count=1):
    return [lifecycle.hold_order(order_id=OrderFactory().id, reason="fraud") for _ in range(count)]


def test_each_row_is_changed_or_its_refusal_is_shown(operator):
    statuses = ("pending", "succeeded", "failed")
    pending, paid, failed = [PaymentFactory(status=status) for status in statuses]
    messages = run(operator(username="olga"), PAYMENTS, "abandon", failed, paid, pending)
    assert messages == [
        "Abandon payment: 2 of 3 rows done.",
        f"{paid.id}: `abandon` is not possible for {paid.id}: it is succeeded.",
    ]
    abandoned = EventRecord.objects.filter(name="payment.abandoned").order_by("number")
    assert [(row.subject, row.actor) for row in abandoned] == [
        (pending.id, "olga"),
        (failed.id, "olga"),
    ]


def test_only_commands_without_input_are_offered(operator):
    held()
    page = operator().get(ORDERS)
    choices = page.context["action_form"].fields["action"].choices
    assert [label for name, label in choices if name] == ["Release order", "Release stock"]


def test_the_view_permission_offers_and_allows_no_command(operator):
    (order,) = held()
    client = operator("orders.view_order")
    page = client.get(ORDERS)
    assert page.context["action_form"] is None
    assert "_selected_action" not in page.content.decode()
    sent = {"action": "release", "_selected_action": [order.id], "index": 0}
    client.post(ORDERS, sent)
    assert Order.objects.get(pk=order.id).is_held()


def test_a_command_that_needs_another_permission_is_not_run_without_it(operator, monkeypatch):
    release = replace(OrderAdmin.commands["release"], permission="orders.delete_order")
    monkeypatch.setitem(OrderAdmin.commands, "release", release)
    (order,) = held()
    client = operator("orders.change_order")
    assert run(client, ORDERS, "release", order) == ["No action selected."]
    assert Order.objects.get(pk=order.id).is_held()


def test_a_command_that_is_not_for_several_rows_is_not_run(operator):
    (order,) = held()
    assert run(operator(), ORDERS, "cancel", order, reason="fraud") == ["No action selected."]
    assert Order.objects.get(pk=order.id).status == "placed"


def test_without_a_selected_row_nothing_is_done(operator):
    (order,) = held()
    (messages,) = run(operator(), ORDERS, "release")
    assert "must be selected" in messages
    assert Order.objects.get(pk=order.id).is_held()


def test_a_form_that_is_sent_twice_has_one_effect_for_each_row(operator):
    client, orders = operator(), held(2)
    for _ in range(2):
        assert run(client, ORDERS, "release", *orders) == ["Release order: 2 of 2 rows done."]
    assert [event_names(order).count("order.released") for order in orders] == [1, 1]


def test_a_row_that_has_left_the_queue_is_reported_too(operator):
    orders = held(2)
    lifecycle.release_order(order_id=orders[0].id)
    lifecycle.cancel_order(order_id=orders[1].id, reason="fraud")
    assert run(operator(), f"{ORDERS}?queue=held", "release", *orders) == [
        "Release order: 1 of 2 rows done.",
        f"{orders[1]}: `release` is not possible for {orders[1].id}: it is cancelled.",
    ]


def test_a_row_that_no_longer_exists_is_reported(operator):
    (order,) = held()
    gone = Order(id="order_0")
    assert run(operator(), ORDERS, "release", order, gone) == [
        "Release order: 1 of 2 rows done.",
        "order_0 no longer exists.",
    ]


def test_the_whole_list_is_the_filtered_list(operator):
    failed, pending = [PaymentFactory(status=status) for status in ("failed", "pending")]
    messages = run(operator(), f"{PAYMENTS}?status=pending", "abandon", failed, select_across=1)
    assert messages == ["Abandon payment: 1 of 1 rows done."]
    assert EventRecord.objects.get(name="payment.abandoned").subject == pending.id


def test_a_long_list_is_processed_in_batches(operator, monkeypatch):
    client, orders = operator(), held(3)
    monkeypatch.setattr(bulk, "BATCH_SIZE", 2)
    page = f"{ORDERS}?queue=held"
    more = "Release order: 2 of 2 rows done. The list has more: run the command again."
    assert run(client, page, "release", orders[2], select_across=1) == [more]
    assert Order.objects.get(held_at__isnull=False) == orders[2]
    rest = run(client, page, "release", orders[2], select_across=1)
    assert rest == ["Release order: 1 of 1 rows done."]


def test_only_the_first_refusals_are_shown(operator):
    payments = [PaymentFactory(status="succeeded") for _ in range(bulk.MAX_MESSAGES + 2)]
    first, *refused = run(operator(), PAYMENTS, "abandon", *payments)
    assert first == "Abandon payment: 0 of 52 rows done."
    assert refused[0].startswith(payments[0].id)
    assert (len(refused), refused[-1]) == (51, "and 2 more")


def test_a_row_that_needs_input_is_refused(operator, monkeypatch):
    """The form of a bulk command is empty, and validated like typed input."""
    hold = replace(OrderAdmin.commands["hold"], bulk=True)
    monkeypatch.setitem(OrderAdmin.commands, "hold", hold)
    order = OrderFactory()
    first, refused = run(operator(), ORDERS, "hold", order)
    assert first == "Hold order: 0 of 1 rows done."
    assert refused == f"{order}: Reason: This field is required."


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_operators_have_one_effect_for_each_row(operator):
    orders, clients = held(5), [operator(username="olga"), operator(username="otto")]
    assert all(isinstance(client, Operator) for client in clients)
    messages = at_once(2, lambda n: run(clients[n], ORDERS, "release", *orders[:: 1 - 2 * n]))
    assert messages == [["Release order: 5 of 5 rows done."]] * 2
    assert [event_names(order).count("order.released") for order in orders] == [1] * 5
