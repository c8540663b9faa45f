"""What all pages of the admin have in common."""

import json
import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.urls import reverse
from rest_framework.serializers import Serializer

from carts.models import Cart, Policy
from config.admin.labels import LABELS
from config.admin.pages import ReadOnlyAdmin
from events.admin import timeline
from events.admin.aggregates import AggregateAdmin
from events.admin.labels import EVENTS
from events.aggregate import aggregates
from events.models import EventRecord, Outbox
from events.schema import registry
from orders.models import Order
from orders.services import lifecycle
from payments.models import GatewayWebhook, Payment
from tests.factories import CartFactory, OrderFactory, PaymentFactory

pytestmark = pytest.mark.django_db

PAGES = dict(admin.site._registry)
READ_ONLY = [model for model, page in PAGES.items() if isinstance(page, ReadOnlyAdmin)]


def url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def row_of(model):
    """Create rows of several models, and return the first row of this one."""
    OrderFactory()
    CartFactory()
    PaymentFactory()
    GatewayWebhook.objects.create(source="stripe", event_id="evt_1", subject="x", payload="{}")
    return model.objects.order_by("pk").first()


def test_every_aggregate_has_a_page_and_a_button_for_every_verb():
    assert {Order, Cart, Payment} <= set(aggregates())
    for model in aggregates():
        page = PAGES[model]
        assert isinstance(page, AggregateAdmin)
        verbs = {row.verb.replace("_", "-") for row in model.transitions() if row.verb}
        assert verbs <= page.commands.keys()
        for name, command in page.commands.items():
            assert all((command.label, command.done, command.description)), name


def test_every_field_of_a_command_has_a_label_for_operators():
    commands = [
        command
        for page in PAGES.values()
        for command in [*getattr(page, "commands", {}).values(), getattr(page, "adds", None)]
        if command
    ]
    fields = {name for command in commands for name in names(command.form_serializer())}
    assert {"quantity", "warehouse_id"} <= fields
    assert sorted(fields - LABELS.keys()) == []


def test_every_event_has_a_label_for_operators():
    declared = {name for name in registry if not name.startswith("test")}
    assert declared - EVENTS.keys() == set()


def names(serializer):
    for name, field in serializer.fields.items():
        yield name
        nested = getattr(field, "child", field)
        if isinstance(nested, Serializer):
            yield from names(nested)


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_nothing_is_added_edited_or_deleted_without_a_service(operator, model):
    client = operator()
    row = row_of(model) if model.__name__ != "Reaction" else None
    assert client.get(url(model, "add")).status_code == (200 if PAGES[model].adds else 403)
    if row:
        before = model.objects.values().get(pk=row.pk)
        page = client.get(url(model, "change", row.pk))
        assert page.status_code == 200
        assert not re.search(r'name="_save"|<input type="text" name="(?!q")', page.content.decode())
        sent = client.post(url(model, "change", row.pk), {"status": "delivered", "stream": "x"})
        assert sent.status_code == 403
        assert client.get(url(model, "delete", row.pk)).status_code == 403
        assert client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert model.objects.values().get(pk=row.pk) == before
    data = {"action": "delete_selected", "_selected_action": [row.pk if row else 1]}
    client.post(url(model, "changelist"), data)
    assert not row or model.objects.filter(pk=row.pk).exists()


def test_the_view_permission_shows_no_button_and_allows_no_command(operator):
    client, order = operator("orders.view_order"), OrderFactory()
    page = client.get(url(Order, "change", order.id))
    assert page.status_code == 200
    assert "/do/" not in page.content.decode()
    response = client.post(url(Order, "command", order.id, "cancel"), {"reason": "fraud"})
    assert response.status_code == 403
    assert Order.objects.get(pk=order.id).status == "placed"
    assert client.get(url(Cart, "changelist")).status_code == 403
    assert client.get(url(EventRecord, "changelist")).status_code == 403


def test_an_anonymous_visitor_is_sent_to_the_login(client):
    order = OrderFactory()
    for page in (reverse("admin:index"), url(Order, "command", order.id, "cancel")):
        response = client.get(page)
        assert (response.status_code, "/admin/login/" in response.url) == (302, True)


def test_an_unknown_command_is_404_and_an_unknown_row_is_reported(operator):
    client, order = operator(), OrderFactory()
    assert client.get(url(Order, "command", order.id, "explode")).status_code == 404
    gone = client.get(url(Order, "command", "order_0", "cancel"), follow=True)
    assert "order with ID “order_0” doesn’t exist" in gone.content.decode()


def test_a_policy_is_saved_and_never_deleted(operator):
    client = operator()
    sent = {"organization_id": "org_1", "abandoned_after": "2:00:00"}
    assert client.post(url(Policy, "add"), sent).status_code == 302
    assert Policy.objects.get(pk="org_1").abandoned_after.total_seconds() == 7200
    blank = client.post(url(Policy, "change", "org_1"), {"abandoned_after": ""})
    assert blank.status_code == 302
    assert Policy.objects.get(pk="org_1").abandoned_after is None
    assert client.post(url(Policy, "delete", "org_1"), {"post": "yes"}).status_code == 403
    wrong = client.post(url(Policy, "change", "org_1"), {"abandoned_after": "-1"})
    assert "greater than or equal to" in wrong.content.decode()


def test_an_operator_is_made_inactive_instead_of_deleted(operator):
    client = operator()
    operator("orders.view_order", username="gone")
    gone = User.objects.get(username="gone")
    page = reverse("admin:auth_user_delete", args=[gone.pk])
    assert client.post(page, {"post": "yes"}).status_code == 403
    change = reverse("admin:auth_user_change", args=[gone.pk])
    sent = {"username": "gone", "is_staff": "on", "date_joined_0": "2026-01-01"}
    sent |= {"totpdevice_set-TOTAL_FORMS": "0", "totpdevice_set-INITIAL_FORMS": "0"}
    assert client.post(change, sent | {"date_joined_1": "00:00:00"}).status_code == 302
    assert not User.objects.get(username="gone").is_active


def test_only_superusers_see_users_and_groups(operator):
    client = operator("auth.change_user", "auth.add_user", "auth.view_user", "auth.change_group")
    me = User.objects.get(username="olga")
    for model, row in ((User, me), (Group, me.groups.get())):
        for page in (url(model, "changelist"), url(model, "add"), url(model, "change", row.pk)):
            assert client.get(page).status_code in (302, 403)
    sent = {"username": "olga", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    client.post(url(User, "change", me.pk), sent)
    password = reverse("admin:auth_user_password_change", args=[me.pk])
    assert client.post(password, {"password1": "x", "password2": "x"}).status_code in (403, 404)
    me.refresh_from_db()
    assert not me.is_superuser


@pytest.mark.parametrize("body", ["x", "[]", '{"data": 1}'])
def test_an_unreadable_event_does_not_hide_its_order(operator, body):
    order = OrderFactory()
    EventRecord.objects.filter(stream=order.id, name="order.created").update(body=body)
    page = operator().get(url(Order, "change", order.id))
    assert "cannot be read" in page.content.decode()
    assert "Order placed" in page.content.decode()


@pytest.mark.parametrize("reason", ["5", '["a"]', '{"b": null}', "true"])
def test_a_value_of_another_type_does_not_hide_its_order(operator, reason):
    order = OrderFactory()
    body = f'{{"timestamp": "x", "data": {{"reason": {reason}}}}}'
    EventRecord.objects.filter(stream=order.id, name="order.created").update(body=body)
    client = operator()
    assert "Order placed" in client.get(url(Order, "change", order.id)).content.decode()
    event = EventRecord.objects.get(stream=order.id, name="order.created")
    assert client.get(url(EventRecord, "change", event.pk)).status_code == 200


def test_a_long_timeline_links_to_the_earlier_events(operator, monkeypatch):
    order = OrderFactory()
    monkeypatch.setattr(timeline, "MAX_EVENTS", 1)
    page = operator().get(url(Order, "change", order.id))
    assert len(page.context["timeline"]) == 1
    (link,) = re.findall(
        r'href="([^"]+)" class="console-link">Earlier events', page.content.decode()
    )
    assert "Order created" not in page.content.decode()
    assert "order.created" in operator(username="other").get(link).content.decode()


def test_free_text_is_shown_as_it_was_written():
    event = EventRecord(stream="s", subject="s", organization_id="o", name="x")
    data = {"reason": "Ask ACME-Corp, see JIRA-12_b", "cancellation_reason": "out_of_stock"}
    event.body = json.dumps({"timestamp": "t", "data": data})
    assert timeline.entry(event).details == [
        ("Reason", "Ask ACME-Corp, see JIRA-12_b"),
        ("Cancellation reason", "Out of stock"),
    ]


def test_the_overview_counts_the_queues_and_lists_the_latest_events(operator):
    client, order = operator(), OrderFactory()
    OrderFactory(status="placed")
    lifecycle.hold_order(order_id=order.id, reason="fraud")
    Outbox.objects.update(parked_at=order.created_at)
    page = client.get(reverse("admin:index"))
    counts = {card["title"]: card["count"] for card in page.context["cards"]}
    assert counts["On hold"] == "1"
    assert counts["Parked messages"] == str(Outbox.objects.count())
    assert "Order put on hold" in page.content.decode()
    queue = client.get(next(c["link"] for c in page.context["cards"] if "hold" in c["title"]))
    assert [row.pk for row in queue.context["cl"].result_list] == [order.id]


def test_the_overview_is_empty_without_permissions(operator):
    page = operator("auth.view_group").get(reverse("admin:index"))
    assert (page.context["cards"], page.context["latest"]) == ([], [])
