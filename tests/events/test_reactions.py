import threading
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from carts import selectors as cart_selectors
from carts.events import CartCreated, CartItemAdded, CartItemChanged
from carts.models import Cart
from config.core import request_context, retry
from config.core.exceptions import Conflict
from events import reactions
from events.models import EventRecord, Reaction
from tests.events.sample_events import added, at_once, cart, created, happen, internal
from tests.reacting import InjectedError


@pytest.fixture(autouse=True)
def reacts_to(monkeypatch):
    """Return `reacts_to`, with a registry for this test only."""
    monkeypatch.setattr(reactions, "_by_event", defaultdict(list))
    monkeypatch.setattr(reactions, "_by_name", {})
    return reactions.reacts_to


@pytest.fixture
def later(reacts_to):
    """Return `reacts_to` for deferred reactions."""
    return partial(reacts_to, deferred=True)


@pytest.fixture
def seen(later):
    """The events that the deferred context `tests` reacted to, in order."""
    handled = []

    @later(CartCreated)
    @later(CartItemAdded)
    @later(CartItemChanged)
    def note(event, about):
        handled.append((event, about))

    return handled


def run_reactions():
    reactions.run_pending("cart_1")


def due_now():
    Reaction.objects.update(not_before=timezone.now())


def log():
    return list(EventRecord.objects.order_by("number").values_list("name", "sequence"))


def of(context, handler):
    """Return the handler as if it were a function of another context."""
    handler.__module__ = f"{context}.reactions"
    return handler


@pytest.mark.django_db
def test_effects_directly_follow_their_cause(reacts_to, enqueued):
    """The events of one save are written one by one, each with what follows from it."""

    @reacts_to(CartCreated)
    def change(event, about):
        assert about == EventRecord.objects.get(name="cart.created")
        happen("cart_1", internal())

    @reacts_to(CartItemChanged)
    def add(event, about):
        happen("cart_1", added(2))

    happen("cart_1", created(), added(1))
    names = ["cart.created", "cart.item_changed", "cart.item_added", "cart.item_added"]
    assert log() == list(zip(names, [1, None, 2, 3], strict=True))
    assert not Reaction.objects.exists()


@pytest.mark.django_db
def test_a_reaction_acts_as_system_in_the_request_that_caused_it(reacts_to):
    @reacts_to(CartCreated)
    def go_on(event, about):
        happen("cart_1", internal())

    with request_context.use(actor="user_1", request_id="req_1", traceparent="00-a-b-01"):
        happen("cart_1", created())
        assert request_context.current().actor == "user_1"
    done = EventRecord.objects.get(name="cart.item_changed")
    assert (done.actor, done.request_id, done.traceparent) == ("system", "req_1", "00-a-b-01")


@pytest.mark.django_db
def test_a_reaction_has_the_clock_of_the_command(reacts_to):
    @reacts_to(CartCreated)
    def go_on(event, about):
        clocks.append(request_context.now())
        happen("cart_1", internal())

    @reacts_to(CartItemChanged)
    def go_on_further(event, about):
        clocks.append(request_context.now())

    clocks = []
    happen("cart_1", created())
    assert clocks[0] == clocks[1] < request_context.now()


@pytest.fixture
def broken(reacts_to):
    """A reaction to cart.created that fails after its effect while the list is not empty."""
    reasons = [RuntimeError("the first reason")]

    @reacts_to(CartCreated)
    def break_down(event, about):
        Group.objects.create(name="half done")
        happen("cart_1", added(9))
        if reasons:
            raise reasons[0]

    return reasons


@pytest.mark.django_db
@pytest.mark.parametrize("error", [RuntimeError("oh"), Conflict("no"), IntegrityError("twice")])
def test_a_failed_reaction_leaves_the_command_and_becomes_a_row(broken, error):
    broken[0] = error
    happen("cart_1", created())
    happen("cart_1", internal(), added(1))
    assert log() == [("cart.created", 1), ("cart.item_changed", None), ("cart.item_added", 2)]
    assert not Group.objects.exists()
    row = Reaction.objects.get()
    assert (row.reaction, row.attempts, row.parked_at) == ("tests.break_down", 1, None)
    assert repr(error) in row.last_error
    assert row.not_before > timezone.now()
    broken.clear()
    due_now()
    run_reactions()
    assert log()[-1] == ("cart.item_added", 3)
    assert not Reaction.objects.exists()


@pytest.mark.django_db
def test_a_statement_that_fails_in_a_reaction_leaves_the_command(reacts_to):
    @reacts_to(CartCreated)
    def divide(event, about):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    happen("cart_1", created(), added(1))
    assert log() == [("cart.created", 1), ("cart.item_added", 2)]
    assert "division by zero" in Reaction.objects.get().last_error


@pytest.mark.django_db
def test_later_reactions_of_the_same_stream_and_context_wait_for_a_failed_one(broken, reacts_to):
    for context in ("tests", "others"):

        @reacts_to(CartItemAdded)
        @partial(of, context)
        def note(event, about, context=context):
            Group.objects.create(name=f"{context} {about.stream} {event.quantity}")

    def done():
        return list(Group.objects.order_by("id").values_list("name", flat=True))

    happen("cart_1", created(), added(1))
    assert done() == ["others cart_1 1"]
    broken.clear()
    happen("cart_2", added(1))
    assert done()[1:] == ["tests cart_2 1", "others cart_2 1"]
    due_now()
    run_reactions()
    assert done()[3:] == ["half done", "others cart_1 9", "tests cart_1 1", "tests cart_1 9"]


@pytest.mark.django_db
@pytest.mark.parametrize("deferred", [False, True])
def test_a_refusal_that_a_reaction_suppresses_has_no_effect(deferred, reacts_to):
    @transaction.atomic(savepoint=False)
    def refuse():
        Group.objects.create(name="half done")
        raise Conflict("no")

    @reacts_to(CartCreated, deferred=deferred)
    def try_it(event, about):
        with suppress(Conflict):
            refuse()

    happen("cart_1", created(), added(1))
    run_reactions()
    assert not Reaction.objects.exists()
    assert not Group.objects.exists()
    assert log() == [("cart.created", 1), ("cart.item_added", 2)]


@pytest.mark.django_db(transaction=True)
def test_without_its_database_connection_the_command_fails(reacts_to, caplog):
    @reacts_to(CartCreated)
    def lose(event, about):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OperationalError):
        happen("cart_1", created())
    connection.close()
    assert log() == []
    assert not Reaction.objects.exists()
    assert "failed on" not in caplog.text, "it is not the reaction that failed"


@pytest.mark.django_db
def test_after_a_reaction_has_failed_an_aggregate_must_be_loaded_again(reacts_to):
    """The reaction may have changed the object, and what it wrote is rolled back."""
    broken = [True]

    @reacts_to(CartCreated)
    def fail_once(event, about):
        if broken:
            raise InjectedError

    basket = cart()
    basket.save()
    for act in (basket.save, partial(basket.record, added())):
        with pytest.raises(TypeError, match="load it again"):
            act()
    broken.clear()
    other = cart()
    other.save()
    other.record(added(cart_id=other.id))
    other.save()


@pytest.mark.django_db
def test_a_reaction_gets_the_row_that_its_command_has_changed(reacts_to):
    """It is read once, and a second copy of it cannot be saved."""
    seen = []

    @reacts_to(CartCreated)
    def look(event, about):
        seen.append(cart_selectors.get_for_update(about.subject))
        with pytest.raises(TypeError, match="another copy of it is"):
            Cart.objects.get(pk=about.subject).save()

    basket = cart()
    basket.save()
    assert seen == [basket]
    assert seen[0] is basket


def test_a_context_reacts_to_an_event_once(reacts_to):
    reacts_to(CartCreated)(of("tests", lambda event, about: None))
    with pytest.raises(ValueError, match="tests reacts to"):
        reacts_to(CartCreated)(of("tests", lambda event, about: None))


@pytest.mark.django_db
def test_rows_run_in_the_order_of_their_events(reacts_to):
    """The reaction to the second event fails first, because it belongs to the effect of another."""
    failing, ran = [True], []

    @reacts_to(CartCreated)
    @partial(of, "a")
    def cause(event, about):
        happen("cart_1", internal())

    def run(event, about):
        if failing:
            raise RuntimeError
        ran.append(event.name)

    for event in (CartCreated, CartItemChanged):
        reacts_to(event)(of("b", run))
    happen("cart_1", created())
    failing.clear()
    Reaction.objects.update(not_before=None)
    reactions.run_pending("cart_1")
    assert ran == ["cart.created", "cart.item_changed"]


def test_a_context_is_deferred_as_a_whole(reacts_to, later):
    later(CartCreated)(of("tests", lambda event, about: None))
    later(CartItemAdded)(of("tests", lambda event, about: None))
    reacts_to(CartCreated)(of("others", lambda event, about: None))
    with pytest.raises(ValueError, match="all deferred, or none"):
        reacts_to(CartItemChanged)(of("tests", lambda event, about: None))


# Rows: deferred reactions, and those that have failed


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
    assert enqueued == [("events.tasks.react", ("cart_1",))]


@pytest.mark.django_db
def test_a_reaction_acts_as_system_in_the_same_trace(later):
    @later(CartCreated)
    def go_on(event, about):
        happen("cart_1", internal())

    happen("cart_1", created())
    EventRecord.objects.update(actor="user_1", traceparent="00-a-b-01")
    run_reactions()
    done = EventRecord.objects.get(name="cart.item_changed")
    assert (done.actor, done.traceparent) == ("system", "00-a-b-01")
    assert request_context.current().traceparent is None


@pytest.mark.django_db(transaction=True)
def test_three_concurrent_workers_run_each_reaction_once_in_order(later):
    @later(CartItemAdded)
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
def test_a_reaction_is_not_missed_while_the_lock_is_taken(later):
    @later(CartCreated)
    def record_another(event, about):
        # As if another process commits an event, and its task finds this one still running.
        at_once(lambda: happen("cart_1", added()), run_reactions)

    @later(CartItemAdded)
    def note(event, about):
        Group.objects.create(name="reacted")

    happen("cart_1", created())
    run_reactions()
    assert Group.objects.filter(name="reacted").exists()


@pytest.fixture
def failing(later):
    """A deferred reaction to cart.created that fails while the list is not empty."""
    reasons = ["the first reason"]

    @later(CartCreated)
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
    Reaction.objects.update(not_before=timezone.now() + timedelta(minutes=1))
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
def test_after_ten_failures_a_reaction_is_parked_and_blocks_later_ones(failing, later):
    seen = []

    @later(CartItemAdded)
    def note(event, about):
        seen.append(event)

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
    assert seen == [added(2)]


@pytest.mark.django_db
def test_a_failure_blocks_only_its_stream_and_context(failing, later):
    @later(CartCreated)
    @partial(of, "elsewhere")
    def other(event, about):
        Group.objects.create(name="other")

    happen("cart_1", created())
    run_reactions()
    reactions.run_pending("cart_1")
    assert Reaction.objects.get().reaction == "tests.fail"
    assert Group.objects.get().name == "other"


@pytest.mark.django_db(transaction=True)
def test_a_lost_database_connection_does_not_count_as_a_failure(later):
    lost = []

    @later(CartCreated)
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
