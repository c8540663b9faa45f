"""The work of one organization does not delay the others."""

import select
import socket
import sys
from contextlib import ExitStack
from datetime import timedelta

import pytest
from celery import current_app
from django.conf import settings
from django.utils import timezone

from config.celery import app
from config.core import outbound
from config.workers import QUEUES
from invoices import tasks as invoice_tasks
from invoices.models import Document, InvoiceDelivery
from payments import tasks as payment_tasks
from payments.models import Payment
from payments.services import capture
from shipments import tasks as shipment_tasks
from shipments.models import Label
from shipments.services import labels
from tests.broker.conftest import process, wait_until
from tests.factories import CartFactory, InvoiceFactory, OrderFactory
from tests.shipments.factories import create, packed

EVENTS = ("events", "backlog", "reactions", "default")
BUSY, QUIET = "org_busy", "org_quiet"


def test_each_queue_has_one_worker():
    taken = [settings.EVENTS_QUEUE_PREFIX + name for each in QUEUES.values() for name in each]
    assert sorted(taken) == sorted(app.conf.task_queues)


def test_events_and_reactions_share_no_worker_with_slow_tasks():
    slow = {"call_gateway", "call_gateways", "call_carrier", "call_carriers", "poll_carriers"}
    slow |= {"track_shipment", "render_documents", "send_mails"}
    for name in (name for name in app.tasks if not name.startswith("celery.")):
        queue = app.amqp.router.route({}, name)["queue"].name
        is_quick = queue.removeprefix(settings.EVENTS_QUEUE_PREFIX) in EVENTS
        assert is_quick == (name.rpartition(".")[2] not in slow), name
    for queues in QUEUES.values():
        assert set(queues) <= set(EVENTS) or not set(queues) & set(EVENTS)


@pytest.mark.django_db(transaction=True)
def test_events_do_not_wait_for_a_mail_server_that_hangs(consumer, media, monkeypatch):
    """The server accepts connections without a word."""
    for _ in range(5):
        InvoiceFactory(organization_id=BUSY)
    invoice_tasks.render_documents()
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server, ExitStack() as stack:
        monkeypatch.setenv("EMAIL_URL", "smtp://127.0.0.1:{1}".format(*server.getsockname()))
        stack.enter_context(process("-m", "config.workers", "relay", "outbound"))
        hanging = []
        while len(hanging) < outbound.ORGANIZATION_SLOTS:
            current_app.send_task("invoices.tasks.send_mails")
            assert select.select([server], [], [], 30)[0], "no mail is sent"
            hanging.append(stack.enter_context(server.accept()[0]))
        cart = CartFactory(organization_id=QUIET)
        current_app.send_task("events.tasks.relay")
        wait_until(lambda: cart.id in {each.place[0] for each in consumer.read()}, "no event")
        assert not select.select(hanging, [], [], 0)[0], "it came after the mails had failed"


@pytest.mark.django_db
class TestOrganizationsTakeTurns:
    """The quiet one asks last, and is served second."""

    @pytest.fixture(autouse=True)
    def later(self):
        self.now = (timezone.now() + timedelta(hours=1)).isoformat()

    def test_for_documents_and_mails(self, media, mailbox):
        for organization in (BUSY, BUSY, BUSY, QUIET):
            InvoiceFactory(organization_id=organization)
        invoice_tasks.render_documents(self.now)
        invoice_tasks.send_mails(self.now)
        for rows in (
            Document.objects.order_by("rendered_at"),
            InvoiceDelivery.objects.order_by("sent_at"),
        ):
            served = list(rows.values_list("invoice__organization_id", flat=True))
            assert served == [BUSY, QUIET, BUSY, BUSY]

    def test_for_gateways(self, monkeypatch):
        for organization in (BUSY, BUSY, BUSY, QUIET):
            start_payment(organization)
        served = recorded(monkeypatch, "payments.services.gateway.call_gateway", "payment_id")
        payment_tasks.call_gateways(self.now)
        organizations = dict(Payment.objects.values_list("pk", "organization_id"))
        assert [organizations[each] for each in served] == [BUSY, QUIET, BUSY, BUSY]

    def test_for_carriers(self, monkeypatch):
        for organization in (BUSY, BUSY, BUSY, QUIET):
            shipment = create(packed(organization_id=organization))
            labels.label_shipment(shipment_id=shipment.id)
        served = recorded(
            monkeypatch, "shipments.services.label_purchase.call_carrier", "shipment_id"
        )
        shipment_tasks.call_carriers(self.now)
        organizations = dict(Label.objects.values_list("shipment", "shipment__organization_id"))
        assert [organizations[each] for each in served] == [BUSY, QUIET, BUSY, BUSY]


@pytest.mark.django_db
def test_an_organization_whose_gateway_hangs_occupies_only_some_threads():
    busy, quiet = start_payment(BUSY), start_payment(QUIET)
    with ExitStack() as calls_in_progress:
        for _ in range(outbound.ORGANIZATION_SLOTS):
            assert calls_in_progress.enter_context(outbound.slot(BUSY))
        for payment in (busy, quiet):
            payment_tasks.call_gateway(payment.id, payment.organization_id)
        later = (timezone.now() + timedelta(seconds=30)).isoformat()
        payment_tasks.call_gateways(later)
        assert statuses() == {BUSY: "opening", QUIET: "succeeded"}
    payment_tasks.call_gateways(later)
    assert statuses() == {BUSY: "succeeded", QUIET: "succeeded"}


def start_payment(organization):
    order = OrderFactory(organization_id=organization)
    return capture.start_payment(order_id=order.id, method="sandbox", token="tok_ok")


def statuses():
    return dict(Payment.objects.values_list("organization_id", "status"))


def recorded(monkeypatch, function, argument):
    """Record the argument of each call of a function."""
    served = []
    module, _, name = function.rpartition(".")
    original = getattr(sys.modules[module], name)

    def record(**given):
        served.append(given[argument])
        return original(**given)

    monkeypatch.setattr(function, record)
    return served
