import json
from contextlib import suppress
from zlib import crc32

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import IntegrityError, transaction

from carts.models import Cart
from config.core import request_context
from events import outbox, tasks
from events.delivery import notify
from events.models import EventRecord, Outbox, Reaction, Stream
from events.schema import InvalidEvent
from tests.events.sample_events import added, at_once, cart, created, happen, internal


def log():
    return list(EventRecord.objects.order_by("number").values_list("name", "sequence"))


@pytest.mark.django_db
def test_two_transitions_before_one_save_are_two_events_in_order(settings):
    basket = cart()
    basket.record(added(2, cart_id=basket.id))
    basket.save()
    first, second = EventRecord.objects.order_by("number")
    assert [(e.name, e.sequence) for e in (first, second)] == log()
    assert log() == [("cart.created", 1), ("cart.item_added", 2)]
    assert first.stream == first.subject == basket.id
    assert json.loads(second.body)["data"]["quantity"] == 2
    shard = crc32(basket.id.encode()) % settings.EVENTS_SHARDS
    assert set(Outbox.objects.values_list("stream", "shard")) == {(basket.id, shard)}


@pytest.mark.django_db
def test_a_plain_save_is_silent():
    basket = cart()
    basket.save()
    basket.save()
    Cart.objects.get().save()
    assert log() == [("cart.created", 1)]


@pytest.mark.django_db
def test_an_internal_event_has_no_sequence_and_no_message():
    happen("cart_1", created(), internal(), added())
    assert log() == [("cart.created", 1), ("cart.item_changed", None), ("cart.item_added", 2)]
    assert Outbox.objects.filter(event__name="cart.item_changed").count() == 0
    assert Stream.objects.get().sequence == 2


@pytest.mark.django_db
def test_an_internal_event_that_a_queue_names_is_published_in_its_place(settings):
    settings.EVENTS_CONSUMER_QUEUES = {"a": ["cart.created"], "b": ["cart.item_changed"]}
    happen("cart_1", created(), internal(), added())
    happen("cart_1", internal())
    assert log() == [
        ("cart.created", 1),
        ("cart.item_changed", 2),
        ("cart.item_added", 3),
        ("cart.item_changed", 4),
    ]
    assert Outbox.objects.count() == 4
    settings.EVENTS_CONSUMER_QUEUES = {}
    happen("cart_1", internal(), added())
    assert log()[-2:] == [("cart.item_changed", None), ("cart.item_added", 5)]


@pytest.mark.django_db
def test_a_stream_can_begin_with_an_internal_event():
    happen("cart_1", internal())
    happen("cart_1", created())
    assert log() == [("cart.item_changed", None), ("cart.created", 1)]


@pytest.mark.django_db
def test_the_log_records_the_actor_and_the_request():
    with request_context.use(request_id="req_1", traceparent="00-a-b-01"):
        request_context.set_actor("user_1")
        happen("cart_1", created())
    happen("cart_1", added())
    done = EventRecord.objects.order_by("number").values_list("actor", "request_id", "traceparent")
    assert list(done) == [("user_1", "req_1", "00-a-b-01"), ("system", None, None)]


@pytest.mark.django_db(transaction=True)
def test_the_task_is_enqueued_after_the_commit(enqueued):
    with transaction.atomic():
        happen("cart_1", created(), added())
        assert enqueued == []
    assert enqueued == [("events.tasks.relay", ())]
    enqueued.clear()
    happen("cart_1", internal())
    assert enqueued == []


@pytest.mark.django_db(transaction=True)
def test_a_rollback_leaves_no_event(enqueued):
    with transaction.atomic():
        cart().save()
        transaction.set_rollback(True)
    assert not EventRecord.objects.exists()
    assert not Outbox.objects.exists()
    assert not Stream.objects.exists()
    assert enqueued == []


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_savepoint_leaves_no_gap(enqueued):
    with transaction.atomic():
        happen("cart_1", created())
        with suppress(IntegrityError), transaction.atomic():
            happen("cart_1", added())
            happen("cart_2", created("cart_2"))
            Stream.objects.create(key="cart_1", sequence=7)
        happen("cart_1", added(3))
    assert log() == [("cart.created", 1), ("cart.item_added", 2)]
    assert Stream.objects.filter(key="cart_2").count() == 0
    assert Outbox.objects.count() == 2
    assert set(enqueued) == {("events.tasks.relay", ())}


@pytest.mark.django_db(transaction=True)
def test_in_autocommit_a_failing_outbox_saves_nothing(monkeypatch):
    monkeypatch.setattr(outbox.schema, "render", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cart().save()
    assert not Cart.objects.exists()


@pytest.mark.django_db
def test_an_invalid_event_cannot_be_recorded():
    with pytest.raises(InvalidEvent), transaction.atomic():
        happen("cart_1", created(), added(0))
    assert log() == []


@pytest.mark.django_db
def test_fixtures_are_loaded_without_events(tmp_path):
    basket = cart()
    basket.updated_at = basket.created_at
    file = tmp_path / "carts.json"
    file.write_text(serializers.serialize("json", [basket]))
    call_command("loaddata", file, verbosity=0)
    assert Cart.objects.get().id == basket.id
    assert log() == []


@pytest.mark.django_db(transaction=True)
def test_concurrent_writers_leave_no_gap_in_a_stream():
    def write():
        for turn in range(10):
            with transaction.atomic():
                for event in (added(), internal(), added()):
                    happen("cart_1", event)
                happen("cart_2", created("cart_2"), internal())
                if turn % 5 == 4:
                    transaction.set_rollback(True)

    at_once(*[write] * 6)
    for stream, count in (("cart_1", 96), ("cart_2", 48)):
        events = EventRecord.objects.filter(stream=stream, sequence__isnull=False).order_by(
            "number"
        )
        assert list(events.values_list("sequence", flat=True)) == list(range(1, count + 1))
        assert Stream.objects.get(key=stream).sequence == count
    assert Outbox.objects.count() == 96 + 48
    assert not Reaction.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_task_is_not_sent_for_what_it_commits_itself(enqueued):
    with suppress(ZeroDivisionError), notify.doing(tasks.react, "cart_1"):
        notify.enqueue(tasks.react, "cart_1")
        notify.enqueue(tasks.react, "cart_2")
        raise ZeroDivisionError
    assert enqueued == [("events.tasks.react", ("cart_2",))]
    notify.enqueue(tasks.react, "cart_1")
    assert len(enqueued) == 2
