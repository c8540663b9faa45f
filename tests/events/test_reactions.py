import threading
from collections import defaultdict

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection
from django.utils import timezone

from carts.events import CartCreated, CartItemAdded, CartItemChanged
from config.core import retry
from config.core.request_context import current
from events import reactions
from events.models import EventRecord, Reaction
from tests.events.sample_events import added, at_once, created, happen, internal


@pytest.fixture(autouse=True)
def reacts_to(monkeypatch):
    """Return `reacts_to`, with a registry for this test only."""
    monkeypatch.setattr(reactions, "_by_event", defaultdict(list))
    monkeypatch.setattr(reactions, "_by_name", {})
    return reactions.reacts_to


@pytest.fixture
def seen(reacts_to):
    """The events that the context `tests` reacted to, in order."""
    handled = []

    @reacts_to(CartCreated)
    @reacts_to(CartItemAdded)
    @reacts_to(CartItemChanged)
    def note(event, about):
        handled.append((event, about))

    return handled


def run_reactions():
    reactions.run_pending("cart_1", "tests")


def due_now():
    Reaction.objects.update(not_before=timezone.now())


@pytest.mark.django_db
def test_a_reaction_gets_the_event_and_its_row(seen):
    happen("cart_1", added(3))
    run_reactions()
    ((event, about),) = seen
    assert event == added(3)
    assert (about.stream, about.organization_id) == ("cart_1", "org_1")
    assert not Reaction.objects.exists()


@pytest.mark.django_db
def test_reactions_run_in_the_order_of_events_including_internal_ones(seen):
    happen("cart_1", created(), internal())
    happen("cart_2", added(7))
    happen("cart_1", added(1))
    run_reactions()
    assert [event for event, _ in seen] == [created(), internal(), added(1)]
    assert Reaction.objects.get().stream == "cart_2"


@pytest.mark.django_db(transaction=True)
def test_the_task_of_a_reaction_is_enqueued_after_the_commit(seen, enqueued):
    happen("cart_1", internal(), internal())
    assert enqueued == [("events.tasks.react", ("cart_1", "tests"))]


@pytest.mark.django_db
def test_a_reaction_acts_as_system_in_the_same_trace(reacts_to):
    @reacts_to(CartCreated)
    def go_on(event, about):
        happen("cart_1", internal())

    happen("cart_1", created())
    EventRecord.objects.update(actor="user_1", traceparent="00-a-b-01")
    run_reactions()
    done = EventRecord.objects.get(name="cart.item_changed")
    assert (done.actor, done.traceparent) == ("system", "00-a-b-01")
    assert current().traceparent is None


@pytest.mark.django_db(transaction=True)
def test_three_concurrent_workers_run_each_reaction_once_in_order(reacts_to):
    @reacts_to(CartItemAdded)
    def count(event, about):
        Group.objects.create(name=f"{event.quantity}")

    for quantity in range(1, 31):
        happen("cart_1", added(quantity))
    together = threading.Barrier(3)

    def work():
        together.wait(timeout=10)
        run_reactions()

    at_once(work, work, work)
    assert not Reaction.objects.exists()
    names = Group.objects.order_by("id").values_list("name", flat=True)
    assert list(names) == [str(quantity) for quantity in range(1, 31)]


@pytest.mark.django_db(transaction=True)
def test_a_reaction_is_not_missed_while_the_lock_is_taken(reacts_to):
    @reacts_to(CartCreated)
    def record_another(event, about):
        # As if another process commits an event, and its task finds this one still running.
        at_once(lambda: happen("cart_1", added()), run_reactions)

    @reacts_to(CartItemAdded)
    def note(event, about):
        Group.objects.create(name="reacted")

    happen("cart_1", created())
    run_reactions()
    assert Group.objects.filter(name="reacted").exists()


@pytest.fixture
def failing(reacts_to):
    """A reaction to cart.created that fails while the list is not empty."""
    reasons = ["the first reason"]

    @reacts_to(CartCreated)
    def fail(event, about):
        Group.objects.create(name="half done")
        if reasons:
            raise RuntimeError(reasons[0])

    return reasons


@pytest.mark.django_db
def test_a_failed_reaction_is_rolled_back_and_retried_later(failing):
    happen("cart_1", created())
    run_reactions()
    pending = Reaction.objects.get()
    assert not Group.objects.exists()
    assert (pending.attempts, pending.parked_at) == (1, None)
    assert "the first reason" in pending.last_error
    assert pending.not_before > timezone.now()
    failing.clear()
    run_reactions()
    assert Reaction.objects.exists(), "it is not due"
    due_now()
    run_reactions()
    assert not Reaction.objects.exists()
    assert Group.objects.count() == 1


def test_the_delay_grows_up_to_a_limit():
    for failures, limit in ((0, 0.1), (3, 0.8), (8, 25.6), (9, 30), (1000, 30)):
        assert limit / 2 <= retry.seconds(failures) <= limit


@pytest.mark.django_db
def test_after_ten_failures_a_reaction_is_parked_and_blocks_later_ones(failing, seen):
    happen("cart_1", created(), added(2))
    for _ in range(10):
        due_now()
        run_reactions()
    pending = Reaction.objects.earliest("id")
    assert (pending.attempts, pending.parked_at is not None) == (10, True)
    due_now()
    run_reactions()
    assert seen == []
    failing.clear()
    Reaction.objects.update(parked_at=None)  # what an operator's retry does
    run_reactions()
    assert [event for event, _ in seen] == [created(), added(2)]


@pytest.mark.django_db
def test_a_failure_blocks_only_its_stream_and_context(failing, reacts_to):
    @reacts_to(CartCreated)
    def other(event, about):
        Group.objects.create(name="other")

    happen("cart_1", created())
    Reaction.objects.filter(reaction="tests.other").update(context="elsewhere")
    run_reactions()
    reactions.run_pending("cart_1", "elsewhere")
    assert Reaction.objects.get().reaction == "tests.fail"
    assert Group.objects.get().name == "other"


@pytest.mark.django_db(transaction=True)
def test_a_lost_database_connection_does_not_count_as_a_failure(reacts_to):
    lost = []

    @reacts_to(CartCreated)
    def lose(event, about):
        if not lost:
            lost.append(True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    happen("cart_1", created())
    with pytest.raises(OperationalError):
        run_reactions()
    connection.close()
    pending = Reaction.objects.get()
    assert (pending.attempts, pending.not_before) == (0, None)
    run_reactions()
    assert not Reaction.objects.exists()


@pytest.mark.django_db
def test_an_unregistered_reaction_is_parked(seen, monkeypatch):
    happen("cart_1", created())
    monkeypatch.setattr(reactions, "_by_name", {})
    run_reactions()
    assert "tests.note" in Reaction.objects.get().last_error
