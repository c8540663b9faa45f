"""No page breaks its content security policy: an error of the console fails any test here."""

from itertools import cycle

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from events.models import AuditEntry
from events.operations import audit
from fulfillment.models import Fulfillment
from shipments.models import CarrierAccount, Shipment
from tests.factories import OrderFactory
from tests.fulfillment.factories import FulfillmentFactory
from tests.shipments.factories import ShipmentFactory

pytestmark = pytest.mark.django_db(transaction=True)


def addresses():
    """Yield the address of each page that no other test opens."""
    for name in ("second_factor", "password_change", "carts_policy_add", "payments_payment_add"):
        yield reverse(f"admin:{name}")
    yield from map(reverse, ("admin:auth_group_add", "problems", "catalog", "docs"))
    for model in (User, CarrierAccount, Shipment, AuditEntry):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_change", args=[model.objects.get().pk])
    yield reverse("admin:fulfillment_fulfillment_pick", args=[Fulfillment.objects.first().pk])
    yield reverse("admin:shipments_carrieraccount_delete", args=[CarrierAccount.objects.get().pk])


@pytest.fixture
def rows(media):
    FulfillmentFactory(status="started"), ShipmentFactory(status="dispatched")
    audit.request("replay_events", {"queue": "q"})
    CarrierAccount.objects.create(
        organization_id="org_1", carrier="FedEx", adapter="easypost", account="ca_1"
    )


def test_a_page_of_each_kind(operator: Page, rows):
    schemes = cycle(["light", "dark"])
    for address, scheme in zip(addresses(), schemes, strict=False):
        operator.emulate_media(color_scheme=scheme)
        response = operator.goto(address)
        assert response.status == 200, address
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; base-uri 'none'"), address


def test_what_scripts_do_on_the_pages(operator: Page, rows):
    """The menus, filters and buttons that Alpine opens, and the explorer of the API."""
    OrderFactory()
    operator.goto(reverse("admin:orders_order_changelist"))
    operator.locator("#action-toggle").check()
    expect(operator.locator("#changelist-actions")).to_be_visible()
    operator.locator("#changelist-actions select").select_option("release")
    expect(operator.get_by_role("button", name="Run")).to_be_visible()
    operator.get_by_text("Filters").click()
    expect(operator.get_by_text("work queue")).to_be_visible()
    operator.goto(reverse("docs"))
    operator.locator(".opblock-summary-control").first.click()
    expect(operator.get_by_role("button", name="Try it out")).to_be_visible()
