from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

import invoices.tasks
from config.core import outbound
from events import reactions, tasks
from events.models import EventRecord, Outbox, Reaction
from events.operations import audit
from invoices.models import InvoiceDelivery
from payments.services import capture
from tests.events.sample_events import added, created, happen
from tests.factories import InvoiceFactory, OrderFactory

pytestmark = pytest.mark.django_db


def owe(stream, context="tests", **fields):
    happen(stream, created(stream))
    event = EventRecord.objects.latest("number")
    return Reaction.objects.create(
        event=event, reaction=f"{context}.x", stream=stream, context=context, **fields
    )


def reacting(enqueued):
    return [args for name, args in enqueued if name == "events.tasks.react"]


@pytest.fixture
def swept(enqueued, django_capture_on_commit_callbacks):
    def sweep():
        enqueued.clear()
        with django_capture_on_commit_callbacks(execute=True):
            tasks.sweep()
        return enqueued

    return sweep


def test_the_sweep_enqueues_lost_tasks_again(swept):
    owe("cart_1")
    entry = audit.request("reconcile_events", {})
    assert swept() == [
        ("events.tasks.relay", ()),
        ("events.tasks.run_requested", (entry.id,)),
        ("events.tasks.react", ("cart_1",)),
    ]


def test_an_idle_sweep_takes_one_query(swept, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert swept() == []


def test_the_sweep_starts_the_timers_whose_rows_are_due(swept, media):
    InvoiceFactory()
    assert ("invoices.tasks.render_documents", ()) in swept()
    invoices.tasks.render_documents()
    assert ("invoices.tasks.send_mails", ()) in swept()
    InvoiceDelivery.objects.update(due_at=timezone.now() + timedelta(minutes=1))
    assert not [name for name, _ in swept() if name.startswith("invoices")]


def test_the_sweep_starts_the_calls_that_a_caller_has_not_made(swept):
    capture.start_payment(order_id=OrderFactory().id, method="sandbox", token="tok_ok")
    assert ("payments.tasks.call_gateways", ()) not in swept()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payments_payment SET due_at = due_at - %s", [outbound.GRACE_PERIOD])
    assert ("payments.tasks.call_gateways", ()) in swept()


def test_a_failed_reaction_is_not_enqueued_again_immediately(swept):
    owe("cart_1")
    assert reacting(swept()) == [("cart_1",)]
    assert reacting(swept()) == []
    Reaction.objects.update(notified_at=timezone.now() - tasks.NOTIFY_AGAIN_AFTER)
    assert reacting(swept()) == [("cart_1",)]


def test_the_sweep_ignores_delayed_and_parked_reactions(swept):
    owe("cart_1", not_before=timezone.now() + timedelta(seconds=60))
    owe("cart_2", parked_at=timezone.now())
    owe("cart_3", not_before=timezone.now() - timedelta(seconds=1))
    assert reacting(swept()) == [("cart_3",)]


def test_the_sweep_ignores_reactions_behind_a_delayed_one(swept):
    owe("cart_1", parked_at=timezone.now())
    owe("cart_1")
    owe("cart_2", parked_at=timezone.now())
    owe("cart_2", context="others")
    assert reacting(swept()) == [("cart_2",)]


def test_a_delayed_reaction_is_enqueued_in_time_although_another_of_its_stream_was(swept):
    owe("cart_1", not_before=timezone.now() + timedelta(seconds=60))
    owe("cart_1", context="others")
    assert reacting(swept()) == [("cart_1",)]
    Reaction.objects.filter(context="others").delete()
    Reaction.objects.update(not_before=timezone.now())
    assert reacting(swept()) == [("cart_1",)]


def test_a_failed_reaction_is_enqueued_as_soon_as_it_is_due(swept, monkeypatch):
    def fail(event, about):
        raise ValueError

    failing = reactions.Registered("tests.x", "tests", fail, deferred=True)
    monkeypatch.setitem(reactions._by_name, "tests.x", failing)
    owe("cart_1")
    assert reacting(swept()) == [("cart_1",)]
    reactions.run_pending("cart_1")
    Reaction.objects.update(not_before=timezone.now())
    assert reacting(swept()) == [("cart_1",)]


def test_a_sweep_has_a_limit_and_takes_the_oldest_first(swept, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH_SIZE", 2)
    for n in range(3):
        owe(f"cart_{n}")
    assert reacting(swept()) == [("cart_0",), ("cart_1",)]
    assert reacting(swept()) == [("cart_2",)]


def test_a_stream_with_a_parked_message_needs_no_relay(swept):
    happen("cart_1", created(), added())
    first = Outbox.objects.earliest("event")
    Outbox.objects.filter(pk=first.pk).update(parked_at=timezone.now())
    assert swept() == []


def test_the_tasks_call_the_relay_and_the_reactions(monkeypatch):
    done = []
    monkeypatch.setattr("events.tasks.publish_pending", lambda *shard: done.append(shard) or [])
    monkeypatch.setattr("events.reactions.run_pending", done.append)
    tasks.relay()
    tasks.relay_shard(2)
    tasks.react("cart_1")
    assert done == [(), (2,), "cart_1"]


def test_a_relay_that_follows_soon_waits_for_more_messages(monkeypatch):
    clock, waited = [100.0], []
    monkeypatch.setattr(tasks, "_next_relay", 0.0)
    monkeypatch.setattr(tasks, "publish_pending", list)
    monkeypatch.setattr(
        tasks, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=waited.append)
    )
    for passed in (0, tasks.PAUSE / 4, 1):
        clock[0] += passed
        tasks.relay()
    assert waited == [0, pytest.approx(tasks.PAUSE * 3 / 4), 0]
