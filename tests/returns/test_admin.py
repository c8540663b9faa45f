"""Returns in the admin."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from returns import selectors
from returns.models import Policy, Return
from tests.factories import OrderFactory, deliver, order_of
from tests.log import event_data, event_names
from tests.returns.factories import ReturnFactory, approve, pay_out, receive, refund, request

pytestmark = pytest.mark.django_db

ADD = "admin:returns_return_add"
OPERATOR = ("returns.change_return", "returns.view_return")


def page(row):
    return reverse("admin:returns_return_change", args=[row.id])


def command(row, name):
    return reverse("admin:returns_return_command", args=[row.id, name])


def buttons(client, row):
    return [button["title"] for button in client.get(page(row)).context["actions_detail"]]


def queue(client, key):
    url = reverse("admin:returns_return_changelist")
    return [row.pk for row in client.get(url, {"queue": key}).context["cl"].result_list]


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("requested", ["Approve return", "Reject return", "Cancel return"]),
        ("approved", ["Cancel return", "Receive units"]),
        ("received", ["Close return", "Refund return", "Refund more"]),
        ("refunded", []),
        ("rejected", []),
        ("cancelled", []),
        ("closed", []),
    ],
)
def test_allowed_commands_are_buttons(operator, status, offered):
    assert buttons(operator(), ReturnFactory(status=status)) == offered


def test_an_operator_adds_a_late_return_with_an_override_reason(operator):
    client, order = operator(username="olga"), OrderFactory(status="shipped")
    deliver(order, at=timezone.now() - timedelta(days=60))
    assert (
        "Record units that a customer wants to send back."
        in client.get(reverse(ADD)).content.decode()
    )
    sent = {
        "order_id": order.id,
        "reason": "too_big",
        "items[0].order_item_id": order.lines[0].id,
        "items[0].quantity": "1",
    }
    late = client.post(reverse(ADD), sent | {"key": "1"})
    assert "could be returned for 30 days" in late.content.decode()
    why = {"key": "2", "override_reason": "A regular customer."}
    assert client.post(reverse(ADD), sent | why).status_code == 302
    row = Return.objects.get()
    assert row.requested_by == "olga"
    assert "A regular customer." in client.get(page(row)).content.decode()


def test_each_queue_lists_its_returns(operator):
    client, row = operator(), ReturnFactory()

    def waiting():
        return [key for key in ("to-approve", "to-receive", "to-settle") if queue(client, key)]

    assert waiting() == ["to-approve"]
    approve(row)
    assert waiting() == ["to-receive"]
    receive(row)
    assert waiting() == ["to-settle"]
    refund(row)
    assert waiting() == []
    pay_out(row)
    assert waiting() == []


def test_a_return_without_a_refund_is_queued_until_it_is_closed(operator):
    client, row = operator(), ReturnFactory(status="approved")
    receive(row, accepted=False)
    assert queue(client, "to-settle") == [row.id]
    client.post(command(row, "close"), {"key": "1"})
    assert queue(client, "to-settle") == []


def test_amounts_have_a_currency_and_fees_are_percentages(operator):
    client, row = operator(), ReturnFactory()
    assert "0 %" in client.get(page(row)).content.decode()
    Policy.objects.create(organization_id="org_1", restocking_fee=Decimal("0.125"))
    approve(row)
    shown = client.get(page(row)).content.decode()
    assert "43.75 USD" in shown
    assert "12.5 %" in shown
    assert "12.5 %" in client.get(reverse("admin:returns_policy_changelist")).content.decode()


def test_a_second_operator_does_not_waive_the_refund(operator):
    row = ReturnFactory(status="approved")
    receive(row, 1)
    url, note = command(row, "close"), {"note": "The other one is lost."}
    one, other = operator(username="olga"), operator(username="otto")
    assert one.post(url, note).status_code == 302
    response = other.post(url, note).content.decode()
    assert "25.00 USD can be refunded" in response
    assert selectors.get(row.id).status == "received"
    assert other.post(url, note | {"key": "2", "forgo_refund": "on"}).status_code == 302
    assert selectors.get(row.id).status == "closed"


def test_units_are_received_line_by_line(operator):
    client, order = operator(), order_of(2, 1, status="delivered")
    row = request(order)
    approve(row)
    form = client.get(command(row, "receive")).context["form"]
    assert [form[f"items[{n}].order_item_id"].value() for n in (0, 1)] == [
        line.id for line in order.lines
    ]
    assert form["items[0].accepted"].value() is True
    sent = {
        "warehouse_id": "wh_1",
        "items[0].order_item_id": order.lines[0].id,
        "items[0].quantity": "1",
        "items[0].condition": "good",
        "items[0].accepted": "on",
        "items[1].order_item_id": order.lines[1].id,  # neither quantity nor condition: left out
        "items[1].accepted": "on",
        "items[2].order_item_id": order.lines[0].id,
        "items[2].quantity": "1",
        "items[2].condition": "damaged",
    }
    assert client.post(command(row, "receive"), sent).status_code == 302
    first, second = selectors.get(row.id).lines
    assert (first.received_quantity, first.accepted_quantity, second.received_quantity) == (2, 1, 0)
    assert "1 × var_0 (damaged, not accepted)" in client.get(page(row)).content.decode()


def test_the_refund_form_starts_with_the_maximum(operator):
    client, row = operator(), ReturnFactory()
    approve(row, refund_amount=Decimal(30))
    receive(row)
    assert client.get(command(row, "refund")).context["form"]["amount"].value() == "30.00"
    sent = {"amount": "30.01", "refund_method": "store_credit"}
    refused = client.post(command(row, "refund"), sent)
    assert "30.00 USD can be refunded" in refused.content.decode()
    assert client.post(command(row, "refund"), sent | {"amount": "30"}).status_code == 302
    assert event_data(row.order, "return.refund_due")["refund_method"] == "store_credit"


def test_a_refund_above_the_approved_amount_needs_a_permission(operator):
    row = ReturnFactory()
    approve(row, refund_amount=Decimal(30))
    receive(row)
    clerk = operator(*OPERATOR, username="clerk")
    assert buttons(clerk, row) == ["Close return", "Refund return"]
    sent = {"amount": "50", "refund_method": "manual"}
    for method in (clerk.get, clerk.post):
        assert method(command(row, "refund-more"), sent).status_code == 403
    assert "return.refund_due" not in event_names(row.order)
    manager = operator(*OPERATOR, "returns.override_return", username="manager")
    assert buttons(manager, row) == ["Close return", "Refund return", "Refund more"]
    form = manager.get(command(row, "refund-more"))
    assert form.context["form"]["amount"].value() == "50.00"
    assert manager.post(command(row, "refund-more"), sent).status_code == 302
    assert event_data(row.order, "return.refund_due")["amount"] == "50.00"


@pytest.mark.parametrize(
    ("status", "name", "after"),
    [
        ("requested", "approve", "approved"),
        ("requested", "reject", "rejected"),
        ("approved", "cancel", "cancelled"),
        ("received", "close", "closed"),
    ],
)
def test_each_command_has_a_form(operator, status, name, after):
    client, row = operator(username="olga"), ReturnFactory(status=status)
    assert client.get(command(row, name)).status_code == 200
    sent = {"note": "So be it."} | ({"forgo_refund": "on"} if name == "close" else {})
    assert client.post(command(row, name), sent).status_code == 302
    assert Return.objects.get(pk=row.pk).status == after


def test_waiving_a_refund_needs_a_note(operator):
    client, row = operator(), ReturnFactory(status="received")
    response = client.post(command(row, "close"), {"forgo_refund": "on"})
    assert "say in `note` why not" in response.content.decode()


@pytest.mark.parametrize("by", ["rma_number", "id", "order_id"])
def test_search_finds_a_return_by_number_and_ids(operator, by):
    row = ReturnFactory()
    ReturnFactory()
    url = reverse("admin:returns_return_changelist")
    found = operator().get(url, {"q": getattr(row, by)})
    assert [row.pk for row in found.context["cl"].result_list] == [row.id]


def test_the_page_shows_the_timeline_of_the_order(operator):
    row = ReturnFactory(status="refunded")
    shown = operator().get(page(row))
    assert reverse("admin:orders_order_change", args=[row.order_id]) in shown.content.decode()
    titles = [entry.title for entry in shown.context["timeline"]]
    assert titles[:2] == ["Return refunded", "Refund paid out"]


def test_a_policy_applies_to_later_returns(operator):
    client, url = operator(), reverse("admin:returns_policy_add")
    rules = {"organization_id": "org_1", "window_days": "14", "postage_paid_by": ""}
    wrong = client.post(url, rules | {"restocking_fee": "1.5"})
    assert "less than or equal to 1" in wrong.content.decode()
    assert client.post(url, rules | {"restocking_fee": "0.15"}).status_code == 302
    policy = Policy.objects.get()
    assert (policy.window_days, policy.postage_paid_by) == (14, None)
    row = approve(ReturnFactory())
    assert (row.approved_amount, row.postage_paid_by) == (Decimal("42.50"), "seller")


def test_a_bulk_approval_reports_refused_rows(operator):
    first, rejected = ReturnFactory(), ReturnFactory(status="rejected")
    sent = {"action": "approve", "_selected_action": [first.id, rejected.id]}
    page_after = operator().post(reverse("admin:returns_return_changelist"), sent, follow=True)
    assert "Approve return: 1 of 2 rows done." in page_after.content.decode()
    refused = f"`approve` is not possible for {rejected.id}: it is rejected."
    assert refused in page_after.content.decode()
    assert selectors.get(first.id).approved_by == "olga"
