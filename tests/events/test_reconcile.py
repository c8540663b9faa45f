"""The reconciliation of the log."""

import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from events.models import AuditEntry, EventRecord, Outbox, Publication, Reaction, Stream
from events.operations import parked, reconcile
from orders.models import Order
from tests.events.sample_events import (
    added,
    at_once,
    be_confirmed,
    cart,
    created,
    fill,
    happen,
    internal,
)
from tests.factories import CartFactory, OrderFactory, PaymentFactory
from tests.returns.factories import ReturnFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def an_order():
    """A delivered order with published events, and a cart with pending ones."""
    order = OrderFactory(status="delivered")
    be_confirmed()
    CartFactory()
    return order


def problems():
    return reconcile.reconcile().lines


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_a_complete_log_is_summarized(an_order, run_reactions, capsys):
    run_reactions()
    PaymentFactory(status="refunded")
    call_command("reconcile_events", skip_checks=True)
    output = capsys.readouterr()
    streams, events = Stream.objects.count(), EventRecord.objects.count()
    assert output.out.startswith(f"{streams} streams with {events} events")
    assert "nothing is missing. Parked: 0 messages, 0 reactions." in output.out
    assert output.err == ""
    entry = AuditEntry.objects.get()
    assert entry.result == output.out.strip()
    assert entry.actor.startswith("cli:")


def test_a_missing_number_is_found(an_order):
    shipped = EventRecord.objects.get(stream=an_order.id, name="order.shipped")
    Publication.objects.get(event=shipped).delete()
    shipped.delete()
    assert problems() == [
        f"{an_order.id}: the numbers {shipped.sequence} are missing",
        f"{an_order.id}: has order.delivered, which could not happen",
    ]


def test_missing_and_superfluous_last_numbers_are_found():
    happen("cart_1", created(), internal())
    Stream.objects.update(sequence=8)
    assert problems() == ["cart_1: the numbers 2, 3, 4, 5, 6 and 2 more are missing"]
    Stream.objects.update(sequence=0)
    assert problems() == ["cart_1: has the number 1, after the last of the stream"]


def test_a_lost_message_is_found_unless_it_was_discarded():
    happen("cart_1", created(), added())
    lost, given_up = Outbox.objects.select_related("event").order_by("event_id")
    given_up.parked_at = timezone.now()
    given_up.save()
    parked.discard(outbox_id=given_up.pk, reason="too large")
    Outbox.objects.all().delete()
    assert problems() == [
        f"cart_1: cart.created {lost.event.id} is neither published, nor pending, nor discarded"
    ]


def test_a_discarded_reaction_does_not_explain_a_lost_message():
    happen("cart_1", created())
    event = EventRecord.objects.get()
    reaction = Reaction.objects.create(
        event=event, reaction="x.y", stream="cart_1", context="x", parked_at=timezone.now()
    )
    parked.discard(reaction_id=reaction.pk, reason="done by hand")
    Outbox.objects.all().delete()
    (problem,) = problems()
    assert "is neither published, nor pending, nor discarded" in problem


def test_a_message_that_is_both_published_and_pending_is_found():
    happen("cart_1", created())
    event = EventRecord.objects.get()
    Publication.objects.create(event=event, organization_id="org_1")
    assert problems() == [f"cart_1: cart.created {event.id} is both published and pending"]


def test_a_status_that_the_events_do_not_explain_is_found(an_order):
    sql("UPDATE orders_order SET status = 'shipped' WHERE id = %s", an_order.id)
    assert problems() == [f"{an_order.id}: is shipped, which its events do not lead to"]


def test_an_aggregate_without_events_is_found():
    basket = cart()
    basket.pull_events()
    basket.save()
    assert problems() == [f"{basket.id}: has no events"]
    happen(basket.id, added())
    assert problems() == [f"{basket.id}: does not begin with cart.created"]


def test_events_without_a_stream_are_found():
    happen("cart_1", created(), added())
    Stream.objects.all().delete()
    assert problems() == ["cart_1: has events but no stream"]


def test_overdue_messages_are_found_and_parked_ones_are_counted():
    happen("cart_1", created(), added())
    happen("cart_2", created("cart_2"))
    assert problems() == []
    EventRecord.objects.update(recorded_at=timezone.now() - timedelta(minutes=2))
    first = Outbox.objects.filter(stream="cart_1").order_by("event_id").first()
    Outbox.objects.filter(pk=first.pk).update(parked_at=timezone.now())
    report = reconcile.reconcile()
    (problem,) = report.lines
    assert problem.startswith("cart_2: cart.created evt_")
    assert "has been pending since" in problem
    assert "Parked: 1 messages, 0 reactions." in report.summary


def test_a_hundred_problems_are_listed_and_the_rest_is_counted(capsys, monkeypatch):
    monkeypatch.setattr(reconcile, "BATCH_SIZE", 10)
    fill(streams=103, each=1)
    Outbox.objects.all().delete()
    with pytest.raises(CommandError, match="problems: 103"):
        call_command("reconcile_events", skip_checks=True)
    output = capsys.readouterr().err.splitlines()
    assert len(output) == 101
    assert output[-1] == "and 3 more"
    assert "problems: 103" in AuditEntry.objects.get().result


def test_a_running_transaction_is_seen_completely_or_not_at_all(an_order, monkeypatch):
    """A reconciliation does not see what is committed while it runs."""
    look = reconcile._in_streams
    began = threading.Event()

    def commit_and_look(streams, seen):
        if not began.is_set():
            began.set()
            at_once(lambda: happen("zzz", created(), added()), lambda: OrderFactory())
            at_once(be_confirmed)
        return look(streams, seen)

    monkeypatch.setattr(reconcile, "_in_streams", commit_and_look)
    monkeypatch.setattr(reconcile, "BATCH_SIZE", 1)
    with transaction.atomic():
        happen("cart_open", created())
        connection_of_its_own = []
        at_once(lambda: connection_of_its_own.append(reconcile.reconcile()))
    (report,) = connection_of_its_own
    assert report.lines == []
    assert report.seen["streams"] == 2
    assert Stream.objects.count() == 5


def test_every_aggregate_is_checked(an_order, run_reactions):
    run_reactions()
    ReturnFactory()
    run_reactions()
    seen = reconcile.reconcile().seen["aggregates"]
    assert seen == sum(model.objects.count() for model in reconcile.aggregates())
    assert Order.objects.count() < seen
