"""The number of queries of an admin page does not grow with its content."""

from datetime import timedelta

import pytest
from axes.models import AccessFailureLog
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from carts.models import Policy as CartPolicy
from config.pdf.models import Template
from events.models import EventRecord, Outbox, Reaction
from events.operations import audit
from invoices import services as invoice_services
from invoices.models import Seller
from orders.models import Policy as OrderPolicy
from payments.models import GatewayWebhook, PaymentAccount
from returns.models import Policy as ReturnPolicy
from shipments.models import CarrierAccount, CarrierWebhook
from tests.architecture.sizes import SIZES, lines
from tests.factories import (
    CartFactory,
    InvoiceFactory,
    OrderFactory,
    PaymentFactory,
    credit,
    deliver_documents,
    refund,
    ship,
    write_off,
)
from tests.fulfillment.factories import FulfillmentFactory, pick, short
from tests.returns.factories import return_in_parcels, returns_of_one_order
from tests.shipments.factories import ShipmentFactory, scan

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    return client


def carts(size):
    return [CartFactory(lines=lines(size)) for _ in range(size)][-1]


def orders(size):
    """Orders with everything that their pages show."""
    [OrderFactory(items=lines(1)) for _ in range(size - 1)]
    row = OrderFactory(items=lines(size), status="processing")
    for n in range(size):
        write_off(row, n, 1)
    ship(row)
    return row


def payments(size):
    """Payments with everything that their pages show."""
    [PaymentFactory() for _ in range(size - 1)]
    row = PaymentFactory()
    for n in range(size):
        refund(row, "1", method="manual" if n % 2 else "original_payment")
    return row


def returns(size):
    """Returns with everything that their pages show."""
    returns_of_one_order(size - 1)
    return return_in_parcels(size)


def webhooks(size):
    rows = [
        GatewayWebhook(source="stripe", event_id=f"{size} {n}", payload="{}") for n in range(size)
    ]
    return GatewayWebhook.objects.bulk_create(rows)[-1]


def events(size):
    orders(size)
    return EventRecord.objects.latest("number")


def audit_entries(size):
    return [audit.request("reconcile_events", {}) for _ in range(size)][-1]


def messages(size):
    orders(size)
    Outbox.objects.update(parked_at=timezone.now())
    return Outbox.objects.latest("event_id")


def reactions(size):
    events(size)
    for n, event in enumerate(EventRecord.objects.order_by("number")[:size]):
        Reaction.objects.create(
            event=event, reaction=f"r{size}_{n}", stream=event.stream, context="payments"
        )
    return Reaction.objects.first()


def invoices(size):
    """Invoices with everything that their pages show."""
    [InvoiceFactory() for _ in range(size - 1)]
    row = InvoiceFactory(items=lines(size))
    for n in range(size):
        invoice_services.send_invoice(invoice_id=row.id, recipient_email=f"c{n}@example.com")
        credit(row, "1.00", f"ref_{row.id}_{n}")
    deliver_documents()
    return row


def fulfillments(size):
    """Fulfillments with everything that their pages show."""
    [FulfillmentFactory() for _ in range(size - 1)]
    row = FulfillmentFactory(items=lines(size), status="started")
    for n in range(size):
        pick(row, n)
        short(row, n)
    return row


def shipments(size):
    """Shipments with everything that their pages show."""
    [ShipmentFactory() for _ in range(size - 1)]
    row = ShipmentFactory(items=lines(size), status="dispatched")
    for _ in range(size):
        scan(row, "in_transit")
    return row


def carrier_webhooks(size):
    rows = [CarrierWebhook(source="easypost", event_id=f"{size} {n}") for n in range(size)]
    return CarrierWebhook.objects.bulk_create(rows)[-1]


def policies(model, **values):
    def make(size):
        made = [
            model.objects.get_or_create(values, organization_id=f"org_{n}")[0] for n in range(size)
        ]
        return made[-1]

    return make


def users(size):
    return [User.objects.create_user(f"user {size} {n}") for n in range(size)][-1]


def failed_logins(size):
    return [AccessFailureLog.objects.create(username=f"olga{n}") for n in range(size)][-1]


def groups(size):
    return [Group.objects.create(name=f"group {size} {n}") for n in range(size)][-1]


ORDER_POLICIES = policies(OrderPolicy, reservation_ttl_minutes=5)
CART_POLICIES = policies(CartPolicy, abandoned_after=timedelta(hours=1))
SELLERS = policies(Seller, name="Casa Luna")
PAYMENT_ACCOUNTS = policies(PaymentAccount, stripe_account="acct_1", manual_payment_days=7)
RETURN_POLICIES = policies(ReturnPolicy, window_days=14, postage_paid_by="customer")
CARRIER_ACCOUNTS = policies(CarrierAccount, carrier="FedEx", adapter="easypost", account="ca_1")
TEMPLATES = policies(Template, document="label", source="x")
# Of a list, of a row's page and of each command's page, with session, user and second factor.
BUDGET = {
    "orders_order": (orders, 6, 13, 8),
    "carts_cart": (carts, 5, 8, 6),
    "payments_payment": (payments, 6, 11, 8),
    "payments_paymentaccount": (PAYMENT_ACCOUNTS, 6, 4, 0),
    "payments_gatewaywebhook": (webhooks, 5, 4, 0),
    "fulfillment_fulfillment": (fulfillments, 5, 10, 7),
    "shipments_shipment": (shipments, 7, 13, 9),
    "shipments_carrieraccount": (CARRIER_ACCOUNTS, 6, 4, 0),
    "shipments_carrierwebhook": (carrier_webhooks, 5, 4, 0),
    "returns_return": (returns, 7, 13, 8),
    "returns_policy": (RETURN_POLICIES, 6, 4, 0),
    "invoices_invoice": (invoices, 8, 11, 8),
    "invoices_seller": (SELLERS, 6, 4, 0),
    "pdf_template": (TEMPLATES, 6, 4, 0),
    "events_auditentry": (audit_entries, 5, 4, 0),
    "events_eventrecord": (events, 5, 5, 0),
    "events_outbox": (messages, 5, 5, 5),
    "events_reaction": (reactions, 5, 5, 5),
    "orders_policy": (ORDER_POLICIES, 6, 4, 0),
    "carts_policy": (CART_POLICIES, 6, 4, 0),
    "axes_accessfailurelog": (failed_logins, 5, 4, 0),
    "auth_user": (users, 7, 9, 0),
    "auth_group": (groups, 6, 7, 0),
}


EXPORT = 41  # reads each table of the customer's data


def count(client, url):
    client.get(url)  # fills the caches of the process
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries), [query["sql"][:200] for query in queries]


def pages(model, row):
    """Yield the list of a model, the page of a row, and the page of each command."""
    yield "changelist", []
    yield "change", [row.pk]
    for command in getattr(admin.site._registry[model], "commands", ()):
        yield "command", [row.pk, command]


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label_lower)
@pytest.mark.usefixtures("media")
def test_queries(client, subtests, model):
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    rows, *budgets = BUDGET[name]
    budget = dict(zip(("changelist", "change", "command"), budgets, strict=True))
    counted = {}
    for size in SIZES:
        row = rows(size)
        for page, args in pages(model, row):
            key = page, *args[1:]
            url = reverse(f"admin:{name}_{page}", args=args)
            counted.setdefault(key, []).append(count(client, url))
    for key, ((small, _), (large, queries)) in counted.items():
        with subtests.test(key):
            assert small == large, queries
            limit = EXPORT if key == ("command", "export") else budget[key[0]]
            assert large <= limit, queries


def test_the_overview(client):
    orders(5)
    large, queries = count(client, reverse("admin:index"))
    assert large <= 31, queries
