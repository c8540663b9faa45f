from datetime import timedelta

import pytest
from django.utils import timezone

from events import reactions, tasks
from events.models import EventRecord, Outbox, Reaction
from tests.events.facts import added, created, happen

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


def test_lost_nudges_are_made_up_for(swept, settings):
    settings.EVENTS_SHARDS = 1
    owe("cart_1")
    assert swept() == [
        ("events.tasks.relay", (0,)),
        ("events.tasks.react", ("cart_1", "tests")),
    ]


def test_a_reaction_is_not_nudged_again_at_once(swept):
    owe("cart_1")
    assert reacting(swept()) == [("cart_1", "tests")]
    assert reacting(swept()) == []
    Reaction.objects.update(notified_at=timezone.now() - tasks.NOTIFY_AGAIN_AFTER)
    assert reacting(swept()) == [("cart_1", "tests")]


def test_what_is_not_due_or_parked_is_left_alone(swept):
    owe("cart_1", not_before=timezone.now() + timedelta(seconds=60))
    owe("cart_2", parked_at=timezone.now())
    owe("cart_3", not_before=timezone.now() - timedelta(seconds=1))
    assert reacting(swept()) == [("cart_3", "tests")]


def test_what_waits_behind_a_held_reaction_is_left_alone_too(swept):
    owe("cart_1", parked_at=timezone.now())
    owe("cart_1")
    owe("cart_1", context="others")
    assert reacting(swept()) == [("cart_1", "others")]


def test_a_reaction_that_failed_is_nudged_as_soon_as_it_is_due(swept, monkeypatch):
    def fail(fact, about):
        raise ValueError

    failing = reactions.Registered("tests.x", "tests", fail)
    monkeypatch.setitem(reactions._by_name, "tests.x", failing)
    owe("cart_1")
    assert reacting(swept()) == [("cart_1", "tests")]
    reactions.run_pending("cart_1", "tests")
    Reaction.objects.update(not_before=timezone.now())
    assert reacting(swept()) == [("cart_1", "tests")]


def test_a_sweep_nudges_only_so_many_the_oldest_first(swept, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH_SIZE", 2)
    for n in range(3):
        owe(f"cart_{n}")
    assert reacting(swept()) == [("cart_0", "tests"), ("cart_1", "tests")]
    assert reacting(swept()) == [("cart_2", "tests")]


def test_a_held_stream_needs_no_relay(swept):
    happen("cart_1", created(), added())
    first = Outbox.objects.earliest("event")
    Outbox.objects.filter(pk=first.pk).update(parked_at=timezone.now())
    assert swept() == []


def test_the_tasks_do_what_they_are_nudged_for(monkeypatch):
    done = []
    monkeypatch.setattr("events.delivery.relay.publish_pending", lambda shard: done.append(shard))
    monkeypatch.setattr("events.reactions.run_pending", lambda *pair: done.append(pair))
    tasks.relay(2)
    tasks.react("cart_1", "tests")
    assert done == [2, ("cart_1", "tests")]
