"""The number of queries of a task is fixed and does not grow with its rows.

The reactions, which `events.tasks.react` runs one after the other, have budgets in
`test_reaction_query_budget.py`.
"""

from datetime import timedelta

import msgspec
import pytest
from axes.models import AccessFailureLog
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.api.models import IdempotencyRecord
from config.celery import app
from events.delivery import relay
from events.delivery.publisher import Outcome
from events.models import Outbox
from events.operations import audit
from payments import gateways
from payments.models import GatewayWebhook
from payments.services import capture
from shipments import carriers
from shipments.models import CarrierWebhook
from shipments.services import labels
from tests.architecture.sizes import PIPELINED, SIZES, lines
from tests.events.sample_events import be_confirmed
from tests.factories import CartFactory, InvoiceFactory, OrderFactory, pay, start_payment
from tests.shipments.factories import ShipmentFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

app.loader.import_default_modules()


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    """A broker that confirms every message immediately."""

    class Publisher:
        def send(self, events, outcomes, *limit):
            outcomes |= {event.id: Outcome.CONFIRMED for event in events}

    monkeypatch.setattr(relay, "_publisher", Publisher)


@pytest.fixture(autouse=True)
def thirty_days(settings):
    settings.EVENTS_KEEP_DAYS = settings.PERSONAL_DATA_KEEP_DAYS = 30


def in_days(days):
    return {"now": (timezone.now() + timedelta(days=days)).isoformat()}


def messages(size):
    """Create `size` pending messages, each of its own stream."""
    Outbox.objects.all().delete()
    [CartFactory(lines=[]) for _ in range(size)]
    return {}


def messages_of_a_shard(size):
    messages(size)
    Outbox.objects.update(shard=3)
    return {"shard": 3}


def reaction(size):
    order = OrderFactory(items=lines(size))
    pay(order)
    return {"stream": order.id}


def log(size):
    OrderFactory(items=lines(size))
    return {"entry_id": audit.request("reconcile_events", {}).id}


def old_stream(size):
    CartFactory(lines=lines(size))
    expire = app.tasks["carts.tasks.expire_idle_carts"]
    assert expire(**in_days(100)) == 1
    be_confirmed()
    return in_days(200)


def old_order(size):
    OrderFactory(items=lines(size), status="cancelled")
    return in_days(31)


def old_invoice(size):
    InvoiceFactory(items=lines(size))
    return in_days(11 * 366)


def pending(size):
    """Messages of one stream, and a reaction to one of them."""
    pay(OrderFactory(items=lines(size)))
    return {}


def cart(size):
    CartFactory(lines=lines(size))
    return in_days(100)


def pending_order(size):
    OrderFactory(items=lines(size), status="pending")
    return in_days(100)


def unreserved_order(size):
    OrderFactory(items=lines(size), status="paid")
    return in_days(1)


def unpaid_order(size):
    OrderFactory(items=lines(size))
    return in_days(1)


def opened(size):
    return capture.start_payment(
        order_id=OrderFactory(items=lines(size)).id, method="sandbox", token="tok_ok"
    )


def payment(size):
    row = opened(size)
    return {"payment_id": row.id, "organization_id": row.organization_id}


def payments_due(size):
    opened(size)
    return in_days(1)


def gateway_message(size):
    row = start_payment(OrderFactory(items=lines(size)))
    result = gateways.PaymentResult(
        gateway_payment_id=row.gateway_payment_id,
        state="succeeded",
        amount=row.amount,
        currency=row.currency,
        card_brand="visa",
        card_last4="4242",
    )
    event = gateways.WebhookEvent(
        event_id=f"evt_{size}",
        event_type="",
        account=None,
        payment_id=row.id,
        payment_result=result,
    )
    keep(GatewayWebhook(source="sandbox"), event)
    return in_days(1)


def keep(row, event):
    """Store a webhook that arrived before its subject was known."""
    row.event_id, row.due_at = event.event_id, timezone.now()
    row.payload = msgspec.json.encode(event).decode()
    row.save()


def to_label(size):
    row = ShipmentFactory(items=lines(size))
    labels.label_shipment(shipment_id=row.id)
    return row


def label(size):
    row = to_label(size)
    return {"shipment_id": row.id, "organization_id": row.organization_id}


def labels_due(size):
    to_label(size)
    return in_days(1)


def under_way(size):
    """A shipment with a new scan at its carrier."""
    return ShipmentFactory(items=lines(size), status="dispatched")


def parcel(size):
    row = under_way(size)
    labels.retry_calls(shipment_id=row.id)
    return {"shipment_id": row.id, "organization_id": row.organization_id}


def parcels_due(size):
    under_way(size)
    return in_days(4)


def carrier_message(size):
    row = under_way(size)
    scan = carriers.Scan(scan_id="1", status="delivered", occurred_at=timezone.now())
    event = carriers.TrackingUpdate(
        event_id=f"evt_{size}",
        tracking_number=row.tracking_number,
        reference=None,
        carrier=None,
        scans=(scan,),
    )
    keep(CarrierWebhook(source="sandbox"), event)
    return in_days(1)


def invoice(size):
    """A new invoice that is to be rendered."""
    InvoiceFactory(items=lines(size))
    return {}


def mail(size):
    """A rendered invoice that is to be mailed."""
    InvoiceFactory(items=lines(size))
    app.tasks["invoices.tasks.render_documents"]()
    return {}


def old_records(size):
    for n in range(size):
        IdempotencyRecord.objects.create(key=str(n))
    return in_days(100)


def failed_logins(size):
    for n in range(size):
        AccessFailureLog.objects.create(username=f"olga{n}")
    return in_days(100)


commits = pytest.mark.django_db(transaction=True)
BUDGET = {  # by name: what prepares a run, its queries, and the queries of a run without work
    "events.tasks.relay": (messages, 6, 5),
    "events.tasks.relay_shard": (messages_of_a_shard, 6, 5),
    "events.tasks.react": (reaction, 36, 5),
    "events.tasks.run_requested": (log, 29, 1),
    "events.tasks.sweep": (pending, 3, 1),
    "orders.tasks.erase_old_orders": (old_order, 60, 1),
    "invoices.tasks.anonymize_old_invoices": (old_invoice, 17, 1),
    "events.tasks.remove_old_events": (old_stream, 17, 1),
    "carts.tasks.abandon_idle_carts": (cart, 9, 2),
    "carts.tasks.expire_idle_carts": (cart, 8, 1),
    "orders.tasks.hold_unreserved_orders": (unreserved_order, 10, 1),
    "orders.tasks.expire_unpaid_orders": (unpaid_order, 25, 1),
    "orders.tasks.expire_pending_orders": (pending_order, 25, 1),
    "payments.tasks.call_gateway": (payment, 51, 7),
    "payments.tasks.call_gateways": (payments_due, 52, 1),
    "payments.tasks.process_pending_webhooks": (gateway_message, 47, 2),
    "shipments.tasks.call_carrier": (label, 44, 8),
    "shipments.tasks.call_carriers": (labels_due, 45, 1),
    "shipments.tasks.track_shipment": (parcel, 18, 8),
    "shipments.tasks.poll_carriers": (parcels_due, 35, 1),
    "shipments.tasks.process_pending_webhooks": (carrier_message, 30, 2),
    "invoices.tasks.render_documents": (invoice, 15, 3),
    "invoices.tasks.send_mails": (mail, 31, 3),
    "config.api.tasks.delete_old_records": (old_records, 7, 5),
    "config.admin.tasks.delete_old_logins": (failed_logins, 3, 3),
}


def test_every_task_has_a_budget():
    assert BUDGET.keys() == {name for name in app.tasks if not name.startswith("celery.")}


def count(task, given):
    with CaptureQueriesContext(connection) as captured:
        result = task(**given)
    queries = [q["sql"][:150] for q in captured if not q["sql"].startswith(PIPELINED)]
    return len(queries), result, queries


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=commits if name.endswith("run_requested") else ())
        for name in BUDGET
    ],
)
def test_queries(name):
    prepare, budget, idle_budget = BUDGET[name]
    task, counted = app.tasks[name], []
    for size in SIZES:
        given = prepare(size)
        busy, done, queries = count(task, given)
        assert done != 0, "it found no work"
        idle, done, queries_again = count(task, given)
        assert not done, "it repeats its work"
        counted.append((busy, idle))
    small, large = counted
    assert small == large, queries
    assert busy <= budget, queries
    assert idle <= idle_budget, queries_again
