"""Retention: events are removed after EVENTS_KEEP_DAYS, whole streams at a time."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from events import tasks
from events.models import AuditEntry, EventRecord, Publication, Stream
from events.operations import reconcile, retention
from invoices.models import Invoice
from orders.models import Order
from payments.models import Payment
from payments.services import refunds
from tests.events.sample_events import added, at_once, be_confirmed, created, happen
from tests.factories import CartFactory, OrderFactory, cancel
from tests.flows.goods import arrive, confirmed, pack, ship
from tests.fulfillment.factories import fulfillments
from tests.returns.factories import request

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]

LATER = timedelta(days=31)


@pytest.fixture(autouse=True)
def thirty_days(settings):
    settings.EVENTS_KEEP_DAYS = 30


@pytest.fixture
def delivered(run_reactions):
    """A delivered order whose events are published."""
    order = confirmed({"wh_1": 1}, run_reactions=run_reactions)
    (found,) = fulfillments(order)
    pack(found, run_reactions=run_reactions)
    arrive(ship(found, run_reactions=run_reactions), run_reactions=run_reactions)
    be_confirmed()
    return order


def remove(after=LATER):
    return retention.remove_old_events(timezone.now() + after)


def log(row):
    return EventRecord.objects.filter(stream=row.id)


def test_nothing_is_removed_by_default(delivered, settings):
    settings.EVENTS_KEEP_DAYS = None
    assert remove(timedelta(days=10_000)) == 0
    assert log(delivered).exists()
    assert not AuditEntry.objects.exists()


def test_the_events_of_a_complete_stream_are_removed_and_its_rows_stay(delivered):
    kept = OrderFactory()
    be_confirmed()
    count, last = log(delivered).count(), Stream.objects.get(pk=delivered.id).sequence
    assert remove(timedelta(days=30)) == 0, "not before the day has ended"
    assert remove() == 1
    assert not log(delivered).exists()
    assert not Publication.objects.filter(event__stream=delivered.id).exists()
    assert log(kept).count() == 2
    tombstone = Stream.objects.get(pk=delivered.id)
    assert (tombstone.removed_through, tombstone.sequence) == (last, last)
    assert tombstone.removed_at.date() == (timezone.now() + LATER).date()
    assert Order.objects.filter(pk=delivered.id).exists()
    assert Invoice.objects.filter(order=delivered.id).exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor) == ("remove_events", "system")
    assert entry.result == f"{count} events of 1 streams are removed."
    assert remove() == 0
    assert AuditEntry.objects.count() == 1, "a run without work leaves no entry"


def is_owed(order):
    happen(order.id, added())


def comes_back(order):
    request(order)
    be_confirmed()


def pays_back(order):
    payment = Payment.objects.get(order=order.id)
    refunds.request_refund(payment_id=payment.id, amount=Decimal(1), reason="operator")


@pytest.mark.parametrize("what", [is_owed, comes_back, pays_back])
def test_a_stream_with_unfinished_work_stays(delivered, run_reactions, what):
    what(delivered)
    run_reactions()
    assert remove() == 0
    assert log(delivered).exists()


def test_an_open_order_stays():
    OrderFactory()
    CartFactory()
    be_confirmed()
    assert remove() == 0


def test_later_events_continue_the_sequence(delivered, run_reactions):
    last = Stream.objects.get(pk=delivered.id).sequence
    remove()
    assert reconcile.reconcile().lines == []
    request(delivered)
    run_reactions()
    event = EventRecord.objects.get(stream=delivered.id, name="return.requested")
    assert event.sequence == last + 1
    assert reconcile.reconcile().lines == []
    be_confirmed()
    assert remove() == 0, "the return is open"
    EventRecord.objects.filter(pk=event.pk).update(sequence=last)
    assert reconcile.reconcile().lines == [f"{delivered.id}: the numbers {last + 1} are missing"]


def test_a_removal_does_not_explain_a_missing_beginning(delivered):
    remove()
    Stream.objects.filter(pk=delivered.id).update(removed_at=None)
    lines = reconcile.reconcile().lines
    assert f"{delivered.id}: does not begin with order.created" in lines
    assert len(lines) == 5, "of the order, its payment, fulfillment, shipment and invoice"


def test_the_timelines_show_when_events_were_removed(delivered, run_reactions, api, operator):
    url, page = f"/api/v1/orders/{delivered.id}/timeline", "admin:orders_order_change"
    assert api.get(url).json()["removed_at"] is None
    remove()
    response = api.get(url).json()
    day = (timezone.now() + LATER).date().isoformat()
    assert response["results"] == []
    assert response["removed_at"].startswith(day)
    said = f"Earlier events were removed from the log on {day}."
    shown = operator().get(reverse(page, args=[delivered.id])).content.decode()
    assert said in shown
    assert "Nothing has been recorded" not in shown
    request(delivered)
    response = api.get(url).json()
    assert [each["envelope"]["event"] for each in response["results"]] == ["return.requested"]
    assert response["removed_at"].startswith(day)


@pytest.fixture
def cancelled(run_reactions):
    """Return a function that creates cancelled orders with published events."""

    def make(count):
        made = [cancel(OrderFactory()) for _ in range(count)]
        run_reactions()
        be_confirmed()
        return made

    return make


def test_concurrent_runs_remove_each_stream_once(cancelled, monkeypatch):
    monkeypatch.setattr(retention, "BATCH_SIZE", 2)
    cancelled(6)
    OrderFactory()
    at_once(*[remove] * 3)
    assert EventRecord.objects.count() == 2
    assert Stream.objects.filter(removed_at__isnull=False).count() == 6
    assert reconcile.reconcile().lines == []


def test_a_locked_stream_is_left_for_the_next_run(cancelled):
    busy, idle = cancelled(2)
    with transaction.atomic():
        happen(busy.id, created(busy.id))
        at_once(remove)
    assert log(busy).exists()
    assert not log(idle).exists()


def test_an_interrupted_run_has_removed_complete_streams(cancelled, monkeypatch):
    monkeypatch.setattr(retention, "BATCH_SIZE", 1)
    cancelled(3)
    with monkeypatch.context() as patch:
        batches = [retention._remove]
        patch.setattr(retention, "_remove", lambda *args: batches.pop()(*args))
        with pytest.raises(IndexError):
            remove()
    assert "1 streams are removed. pop from empty list" in AuditEntry.objects.get().result
    assert Stream.objects.filter(removed_at__isnull=False).count() == 1
    assert reconcile.reconcile().lines == []
    assert remove() == 2
    assert not EventRecord.objects.exists()


def test_the_timer_takes_its_moment_as_an_argument(cancelled):
    cancelled(1)
    tasks.remove_old_events()
    assert EventRecord.objects.exists()
    tasks.remove_old_events((timezone.now() + LATER).isoformat())
    assert not EventRecord.objects.exists()
