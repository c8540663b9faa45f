from datetime import timedelta

import pytest
from django.utils import timezone

from events import reactions, tasks
from events.models import EventRecord, Outbox, Reaction
from tests.events.sample_events import added, created, happen

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


def test_the_sweep_enqueues_lost_tasks_again(swept, settings):
    settings.EVENTS_SHARDS = 1
    owe("cart_1")
    assert swept() == [
        ("events.tasks.relay", (0,)),
        ("events.tasks.react", ("cart_1", "tests")),
    ]


def test_a_failed_reaction_is_not_enqueued_again_immediately(swept):
    owe("cart_1")
    assert reacting(swept()) == [("cart_1", "tests")]
    assert reacting(swept()) == []
    Reaction.objects.update(notified_at=timezone.now() - tasks.NOTIFY_AGAIN_AFTER)
    assert reacting(swept()) == [("cart_1", "tests")]


def test_the_sweep_ignores_delayed_and_parked_reactions(swept):
    owe("cart_1", not_before=timezone.now() + timedelta(seconds=60))
    owe("cart_2", parked_at=timezone.now())
    owe("cart_3", not_before=timezone.now() - timedelta(seconds=1))
    assert reacting(swept()) == [("cart_3", "tests")]


def test_the_sweep_ignores_reactions_behind_a_delayed_one(swept):
    owe("cart_1", parked_at=timezone.now())
    owe("cart_1")
    owe("cart_1", context="others")
    assert reacting(swept()) == [("cart_1", "others")]


def test_a_failed_reaction_is_enqueued_as_soon_as_it_is_due(swept, monkeypatch):
    def fail(event, about):
        raise ValueError

    failing = reactions.Registered("tests.x", "tests", fail, deferred=True)
    monkeypatch.setitem(reactions._by_name, "tests.x", failing)
    owe("cart_1")
    assert reacting(swept()) == [("cart_1", "tests")]
    reactions.run_pending("cart_1", "tests")
    Reaction.objects.update(not_before=timezone.now())
    assert reacting(swept()) == [("cart_1", "tests")]


def test_a_sweep_has_a_limit_and_takes_the_oldest_first(swept, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH_SIZE", 2)
    for n in range(3):
        owe(f"cart_{n}")
    assert reacting(swept()) == [("cart_0", "tests"), ("cart_1", "tests")]
    assert reacting(swept()) == [("cart_2", "tests")]


def test_a_stream_with_a_parked_message_needs_no_relay(swept):
    happen("cart_1", created(), added())
    first = Outbox.objects.earliest("event")
    Outbox.objects.filter(pk=first.pk).update(parked_at=timezone.now())
    assert swept() == []


def test_the_tasks_call_the_relay_and_the_reactions(monkeypatch):
    done = []
    monkeypatch.setattr("events.tasks.publish_pending", lambda shard: done.append(shard))
    monkeypatch.setattr("events.reactions.run_pending", lambda *pair: done.append(pair))
    tasks.relay(2)
    tasks.react("cart_1", "tests")
    assert done == [2, ("cart_1", "tests")]
