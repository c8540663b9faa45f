"""The log is kept for as long as it was asked for; then whole streams leave it."""

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
from tests.events.facts import added, at_once, be_confirmed, created, happen
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
def delivered(settle):
    """An order that has come to its end, and its events to the broker."""
    order = confirmed({"wh_1": 1}, settle=settle)
    (found,) = fulfillments(order)
    pack(found, settle=settle)
    arrive(ship(found, settle=settle), settle=settle)
    be_confirmed()
    return order


def remove(after=LATER):
    return retention.remove_old_events(timezone.now() + after)


def log(row):
    return EventRecord.objects.filter(stream=row.id)


def test_nothing_is_removed_unless_it_is_asked_for(delivered, settings):
    settings.EVENTS_KEEP_DAYS = None
    assert remove(timedelta(days=10_000)) == 0
    assert log(delivered).exists()
    assert not AuditEntry.objects.exists()


def test_a_stream_that_is_at_its_end_leaves_a_tombstone_and_all_that_it_was_about(delivered):
    kept = OrderFactory()
    be_confirmed()
    count, last = log(delivered).count(), Stream.objects.get(pk=delivered.id).sequence
    assert remove(timedelta(days=30)) == 0, "not before the day is over"
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
    assert AuditEntry.objects.count() == 1, "a run that finds nothing leaves no entry"


def is_owed(order):
    happen(order.id, added())


def comes_back(order):
    request(order)
    be_confirmed()


def pays_back(order):
    payment = Payment.objects.get(order=order.id)
    refunds.request_refund(payment_id=payment.id, amount=Decimal(1), reason="operator")


@pytest.mark.parametrize("what", [is_owed, comes_back, pays_back])
def test_what_is_not_at_its_end_stays(delivered, settle, what):
    what(delivered)
    settle()
    assert remove() == 0
    assert log(delivered).exists()


def test_an_order_that_goes_on_stays():
    OrderFactory()
    CartFactory()
    be_confirmed()
    assert remove() == 0


def test_what_happens_later_goes_on_from_the_tombstone(delivered, settle):
    last = Stream.objects.get(pk=delivered.id).sequence
    remove()
    assert reconcile.reconcile().lines == []
    request(delivered)
    settle()
    event = EventRecord.objects.get(stream=delivered.id, name="return.requested")
    assert event.sequence == last + 1
    assert reconcile.reconcile().lines == []
    be_confirmed()
    assert remove() == 0, "the return is open"
    EventRecord.objects.filter(pk=event.pk).update(sequence=last)
    assert reconcile.reconcile().lines == [f"{delivered.id}: the numbers {last + 1} are missing"]


def test_a_state_that_is_not_an_end_is_not_explained_by_a_removal(delivered):
    remove()
    Stream.objects.filter(pk=delivered.id).update(removed_at=None)
    lines = reconcile.reconcile().lines
    assert f"{delivered.id}: does not begin with order.created" in lines
    assert len(lines) == 5, "of the order, its payment, fulfillment, shipment and invoice"


def test_the_timelines_say_since_when_they_are_shorter(delivered, settle, api, operator):
    url, page = f"/api/v1/orders/{delivered.id}/timeline", "admin:orders_order_change"
    assert api.get(url).json()["removed_at"] is None
    remove()
    told = api.get(url).json()
    day = (timezone.now() + LATER).date().isoformat()
    assert told["results"] == []
    assert told["removed_at"].startswith(day)
    said = f"Earlier events were removed from the log on {day}."
    shown = operator().get(reverse(page, args=[delivered.id])).content.decode()
    assert said in shown
    assert "Nothing has been recorded" not in shown
    request(delivered)
    told = api.get(url).json()
    assert [each["envelope"]["event"] for each in told["results"]] == ["return.requested"]
    assert told["removed_at"].startswith(day)


@pytest.fixture
def cancelled(settle):
    """Return a function that makes orders that have come to their end."""

    def make(count):
        made = [cancel(OrderFactory()) for _ in range(count)]
        settle()
        be_confirmed()
        return made

    return make


def test_two_at_once_remove_it_once(cancelled, monkeypatch):
    monkeypatch.setattr(retention, "BATCH_SIZE", 2)
    cancelled(6)
    OrderFactory()
    at_once(*[remove] * 3)
    assert EventRecord.objects.count() == 2
    assert Stream.objects.filter(removed_at__isnull=False).count() == 6
    assert reconcile.reconcile().lines == []


def test_one_that_somebody_is_at_work_on_is_left_for_the_next_run(cancelled):
    busy, idle = cancelled(2)
    with transaction.atomic():
        happen(busy.id, created(busy.id))
        at_once(remove)
    assert log(busy).exists()
    assert not log(idle).exists()


def test_one_that_is_stopped_has_removed_whole_streams_and_the_next_goes_on(cancelled, monkeypatch):
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


def test_the_timer_takes_the_time_it_is_told(cancelled):
    cancelled(1)
    tasks.remove_old_events()
    assert EventRecord.objects.exists()
    tasks.remove_old_events((timezone.now() + LATER).isoformat())
    assert not EventRecord.objects.exists()
