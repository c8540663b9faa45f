"""Operators see and change the rows of their own organizations only."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from urllib.parse import unquote
from uuid import uuid4

import pytest
from axes.models import AccessFailureLog
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission, User
from django.urls import URLResolver, reverse
from django.utils import timezone

import carts.models
import orders.models
import returns.models
from config.admin.pages import OrganizationAdmin
from config.pdf.models import Template
from events.models import EventRecord, Outbox, Reaction
from events.operations import audit
from fulfillment.admin import DOCUMENTS
from invoices.models import Document, Invoice, Seller
from orders.models import Order
from orders.services import lifecycle
from payments.models import GatewayWebhook, PaymentAccount
from shipments.models import CarrierAccount, CarrierWebhook
from tests.conftest import group
from tests.factories import (
    CartFactory,
    InvoiceFactory,
    OrderFactory,
    PaymentFactory,
    credit,
    deliver_documents,
)
from tests.fulfillment.factories import FulfillmentFactory
from tests.returns.factories import ReturnFactory
from tests.shipments.factories import ShipmentFactory

pytestmark = pytest.mark.django_db

PAGES: dict = dict(admin.site._registry)
OF_SUPERUSERS = [model for model, page in PAGES.items() if page.organization_field is None]
OF_ORGANIZATIONS = [model for model in PAGES if model not in OF_SUPERUSERS]
SETTINGS = {  # of an organization
    carts.models.Policy: {"abandoned_after": timedelta(hours=1)},
    orders.models.Policy: {"reservation_ttl_minutes": 5},
    returns.models.Policy: {"window_days": 14, "postage_paid_by": "customer"},
    PaymentAccount: {"stripe_account": "acct_1"},
    CarrierAccount: {"carrier": "FedEx", "adapter": "easypost", "account": "ca_1"},
    Seller: {"name": "Casa Luna"},
    Template: {"document": "pick_list", "source": "secret of org_1"},
}
NOT_ROWS = {  # of organizations
    *("admin", "api", "auth", "axes", "console", "contenttypes", "core", "sessions"),
    *("otp_static", "otp_totp"),
}


ECHO = r"ID “[^”]*” doesn’t exist|\S+ no longer exists"  # what the operator sent


@pytest.fixture
def rows(media) -> list:
    """Rows of all models, which belong to org_1."""
    CartFactory(), PaymentFactory(), FulfillmentFactory(), ShipmentFactory(), ReturnFactory()
    lifecycle.hold_order(order_id=OrderFactory().id, reason="fraud")
    credit(InvoiceFactory(), "1.00")
    deliver_documents()
    for model, values in SETTINGS.items():
        model.objects.create(organization_id="org_1", **values)
    Outbox.objects.update(parked_at=timezone.now())
    event = EventRecord.objects.latest("number")
    Reaction.objects.create(
        event=event, reaction="r", stream=event.stream, context="x", parked_at=timezone.now()
    )
    for model in (GatewayWebhook, CarrierWebhook):
        model.objects.create(source="stripe", event_id="evt_1", subject="sub_1", payload="{}")
    AccessFailureLog.objects.create(username="mallory")
    audit.request("replay_events", {"organization": "org_1", "queue": "q"})
    found = [row for model in PAGES if (row := model.objects.order_by("pk").last())]
    assert {type(row) for row in found} >= set(OF_ORGANIZATIONS)
    return found


def everything() -> list:
    """Return the values of all rows that belong to organizations."""
    models = [model for model in apps.get_models() if model._meta.app_label not in NOT_ROWS]
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def secrets(rows) -> set[str]:
    """Return what the pages show of the rows."""
    names = ("id", "number", "rma_number", "customer_email", "event_id", "subject", "account")
    found = {str(getattr(row, name, "")) for row in rows for name in names}
    return {each for each in found if len(each) > 4 and not each.isdigit()} | {"org_1"}


def paths(rows) -> Iterator[str]:
    """Yield each URL of the admin, filled in with each of the rows."""
    for pattern in admin.site.get_urls():
        if isinstance(pattern, URLResolver):
            for inner in pattern.url_patterns:
                yield from filled(f"{pattern.pattern}{inner.pattern}", rows)
        else:
            yield from filled(str(pattern.pattern), rows)


def filled(route: str, rows) -> Iterator[str]:
    if route.startswith(("^", "logout", "r/", "(?P")):  # app lists, and what other tests walk
        return
    app = route.partition("/")[0]
    own = [row for row in rows if route.startswith(f"{app}/{row._meta.model_name}/")]
    own = [row for row in own if row._meta.app_label == app]
    names = [*DOCUMENTS, *(getattr(PAGES[type(own[0])], "commands", ()) if own else ())]
    documents = Document.objects.values_list("pk", flat=True)
    values = {
        "<path:object_id>": [quote(row.pk) for row in own],
        "<slug:object_id>": [quote(row.pk) for row in own],
        "<id>": [row.pk for row in own],
        "<slug:name>": names,
        "<slug:document_id>": documents,
    }
    fields = [field for field in values if field in route]
    for chosen in product(*(values[field] for field in fields)):
        path = route
        for field, value in zip(fields, chosen, strict=True):
            path = path.replace(field, str(value))
        assert "<" not in path, f"the walk does not know {route}"
        yield f"/admin/{path}"


def test_every_page_is_limited():
    """What no page can forget: the rows, and what the operator may do with them."""
    for model, page in PAGES.items():
        assert isinstance(page, OrganizationAdmin), model
        assert type(page).get_queryset is OrganizationAdmin.get_queryset, model
    assert {model.__name__ for model in OF_SUPERUSERS} == {
        *("User", "Group", "AccessFailureLog", "AuditEntry", "GatewayWebhook", "CarrierWebhook")
    }


def test_the_staff_of_another_organization_see_and_change_nothing(operator, rows):
    permissions = [
        f"{each.content_type.app_label}.{each.codename}"
        for each in Permission.objects.select_related("content_type")
    ]
    client = operator(*permissions, organization="org_2")
    hidden, before, walked = secrets(rows), everything(), 0

    def send(method, path, sent=None):
        nonlocal walked
        walked += 1
        response = getattr(client, method)(path, sent or {})
        text = re.sub(ECHO, "", response.content.decode(errors="replace"))
        given = f"{unquote(path)} {sent}"
        seen = {each for each in hidden if each in text and each not in given}
        assert not seen, (
            method,
            path,
            [text[text.index(e) - 90 : text.index(e) + 40] for e in seen],
        )
        return response

    form = {"post": "yes", "key": str(uuid4()), "organization_id": "org_1", "reason": "fraud"}
    form |= {"order_id": Order.objects.latest("pk").pk, "code": "var_1", "scan_id": "scan_1"}
    for path in paths(rows):
        is_of_row = any(f"/{quote(row.pk)}/" in path for row in rows) or "/invoice/pdf/" in path
        for response in (send("get", path), send("post", path, form)):
            assert not is_of_row or response.status_code in (302, 403, 404), path
    for model, page in PAGES.items():
        own = [row.pk for row in rows if isinstance(row, model)]
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for query in ("org_1", *own, *(row.stream for row in rows if isinstance(row, Outbox))):
            send("get", f"{url}?q={query}")
        for queue in getattr(page, "queues", ()):
            send("get", f"{url}?queue={queue.key}")
        for action, across in product(
            [*page.get_actions(response.wsgi_request), "delete_selected"], (0, 1)
        ):
            chosen = {"action": action, "_selected_action": own, "select_across": across}
            send("post", url, {**form, **chosen, "index": 0})
        for name in (field.name for field in model._meta.fields if field.is_relation):
            field = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}
            send("get", reverse("admin:autocomplete"), {**field, "field_name": name, "term": "o"})
    overview = send("get", reverse("admin:index"))
    assert {card["count"] for card in overview.context["cards"]} == {"0"}
    assert not overview.context["latest"]
    send("get", reverse("admin:search"), {"s": "or", "extended": 1})
    assert everything() == before
    assert walked > 300
    assert not Permission.objects.filter(user__username="olga").exists()


def test_the_own_staff_see_every_list_and_superusers_the_others(operator, rows):
    """The walk above would find nothing on pages that do not work."""
    permissions = [f"{model._meta.app_label}.view_{model._meta.model_name}" for model in PAGES]
    own, superuser = operator(*permissions), operator(username="root")
    for model in PAGES:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        expected = (403, 200) if model in OF_SUPERUSERS else (200, 200)
        assert (own.get(url).status_code, superuser.get(url).status_code) == expected, url
        for client in (own, superuser) if model in OF_ORGANIZATIONS else (superuser,):
            assert client.get(url).context["cl"].result_list, url
    assert len(own.get(reverse("admin:index")).context["latest"]) > 1


def test_an_operator_adds_settings_for_their_own_organization_only(operator):
    client = operator("carts.add_policy", "carts.view_policy", organization="org_2")
    url = reverse("admin:carts_policy_add")
    page = client.get(url).content.decode()
    assert '<option value="org_2"' in page
    sent = {"organization_id": "org_1", "abandoned_after": "2:00:00"}
    refused = client.post(url, sent)
    assert "Select a valid choice" in refused.content.decode()
    assert client.post(url, sent | {"organization_id": "org_2"}).status_code == 302
    assert [policy.pk for policy in carts.models.Policy.objects.all()] == ["org_2"]


def test_a_form_builds_on_no_row_of_another_organization(operator):
    order = OrderFactory()
    client = operator("payments.change_payment", organization="org_2")
    sent = {"order_id": order.id, "key": str(uuid4())}
    page = client.post(reverse("admin:payments_payment_add"), sent)
    assert f"There is no order {order.id}." in page.content.decode()


def test_the_permissions_of_a_group_count_in_its_organization_only(operator):
    own, other = OrderFactory(), OrderFactory(organization_id="org_2")
    for order in (own, other):
        lifecycle.hold_order(order_id=order.id, reason="fraud")
    client = operator("orders.view_order", "orders.change_order", organization="org_1")
    olga = User.objects.get(username="olga")
    olga.groups.add(group("orders.view_order", organization="org_2"))
    page = reverse("admin:orders_order_changelist")
    assert set(client.get(page).context["cl"].result_list) == {own, other}
    release = [reverse("admin:orders_order_command", args=[o.id, "release"]) for o in (own, other)]
    assert [client.get(url).status_code for url in release] == [200, 403]
    assert client.post(release[1]).status_code == 403
    shown = client.get(reverse("admin:orders_order_change", args=[other.id]))
    assert "/do/" not in shown.content.decode()
    chosen = {"action": "release", "_selected_action": [own.id, other.id], "index": 0}
    response = client.post(page, chosen, follow=True)
    assert [str(message) for message in response.context["messages"]] == [
        "Release order: 1 of 2 rows done.",
        f"{other}: you do not have this permission.",
    ]
    assert [Order.objects.get(pk=o.pk).is_held() for o in (own, other)] == [False, True]


def test_the_permissions_of_a_role_count_in_all_organizations_of_its_members(operator):
    order, foreign = OrderFactory(), OrderFactory(organization_id="org_3")
    client = operator("orders.change_order", organization=None)
    page = reverse("admin:orders_order_changelist")
    assert client.get(page).status_code == 403, "a role alone belongs to no organization"
    User.objects.get(username="olga").groups.add(group(organization="org_1"))
    assert list(client.get(page).context["cl"].result_list) == [order]
    for each, status in ((order, 200), (foreign, 302)):
        command = reverse("admin:orders_order_command", args=[each.id, "hold"])
        assert client.get(command).status_code == status


def test_a_superuser_enters_the_organization_of_a_group(operator):
    client = operator()
    for name, organization in (("Casa Luna", "org_2"), ("Pickers", "")):
        sent = {"name": name, "organization_id": organization}
        assert client.post(reverse("admin:auth_group_add"), sent).status_code == 302
    change = reverse("admin:auth_group_change", args=[Group.objects.get(name="Casa Luna").pk])
    assert 'value="org_2"' in client.get(change).content.decode()
    client.post(change, {"name": "Casa Luna", "organization_id": "org_1"})
    shown = client.get(reverse("admin:auth_group_changelist")).context["cl"].result_list
    assert {row.name: str(getattr(row, "organization", "")) for row in shown} == {
        "Casa Luna": "org_1",
        "Pickers": "",
    }


def test_a_pdf_of_another_organization_is_not_found(operator, media):
    InvoiceFactory()
    deliver_documents()
    url = reverse("admin:invoices_pdf", args=[Document.objects.get().pk])
    assert Invoice.objects.get().organization_id == "org_1"
    assert operator("invoices.view_invoice").get(url).status_code == 200
    other = operator("invoices.view_invoice", username="otto", organization="org_2")
    assert other.get(url).status_code == 404
