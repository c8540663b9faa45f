"""The command `parked_events`."""

import getpass
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from events.models import AuditEntry, EventRecord, Outbox, Reaction
from tests.events.sample_events import added, created, happen

pytestmark = pytest.mark.django_db


@pytest.fixture
def message():
    """The name of a parked message that blocks another one."""
    happen("cart_1", created(), added())
    first = Outbox.objects.select_related("event").earliest("event_id")
    first.parked_at, first.attempts, first.last_error = timezone.now(), 5, "too \x1b[31mlarge"
    first.save()
    return first.event.id


@pytest.fixture
def reaction(message):
    """The name of a parked reaction to the same event."""
    event = EventRecord.objects.get(id=message)
    Reaction.objects.create(
        event=event,
        reaction="payments.refund",
        stream="cart_1",
        context="payments",
        attempts=10,
        parked_at=timezone.now(),
    )
    return f"{message}/payments.refund"


@pytest.fixture
def run(capsys):
    def call(*arguments):
        call_command("parked_events", *arguments)
        return capsys.readouterr().out

    return call


def is_parked(model):
    return model.objects.filter(parked_at__isnull=False).exists()


def last_event():
    event = EventRecord.objects.latest("number")
    return event.name, json.loads(event.body)["data"]


def test_parked_work_is_listed_by_name(run, message, reaction):
    first, second = run("list").splitlines()
    assert first.startswith(f"{message}  cart.created  cart_1  ")
    assert first.endswith(r"too \u001b[31mlarge"), "control characters are escaped"
    assert second.startswith(f"{reaction}  cart.created  cart_1  ")


def test_a_message_is_shown_with_its_error_and_its_body(run, message):
    shown = run("show", message)
    assert "too \\u001b[31mlarge" in shown
    assert EventRecord.objects.get(id=message).body in shown


@pytest.mark.parametrize(("what", "model"), [("message", Outbox), ("reaction", Reaction)])
def test_parked_work_is_retried(run, request, enqueued, what, model):
    name = request.getfixturevalue(what)
    assert run("retry", name) == f"{name} is retried.\n"
    assert not is_parked(model)
    event, data = last_event()
    assert event == "event.retried"
    assert data["retried_by"] == f"cli:{getpass.getuser()}"
    assert AuditEntry.objects.get().action == "event.retried"
    assert run("retry", name) == f"{name} is due anyway.\n"


def test_all_parked_work_is_retried(run, message, reaction):
    assert run("retry", "--all").splitlines() == [
        f"{message} is retried.",
        f"{reaction} is retried.",
    ]
    assert run("list") == ""


@pytest.mark.parametrize(("what", "model"), [("message", Outbox), ("reaction", Reaction)])
def test_parked_work_is_discarded_with_a_reason(run, request, what, model):
    name = request.getfixturevalue(what)
    assert run("discard", name, "--reason", "sent by hand") == f"{name} is discarded.\n"
    assert not is_parked(model)
    event, data = last_event()
    assert event == "event.discarded"
    assert data["reason"] == "sent by hand"
    assert data["discarded_by"] == EventRecord.objects.latest("number").actor
    assert data["discarded_by"] == f"cli:{getpass.getuser()}"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.arguments, entry.actor) == (event, data, data["discarded_by"])
    assert entry.finished_at, "no worker has to run it"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["show", "evt_1"], "evt_1 is not pending"),
        (["retry"], "Give names, or --all"),
        (["retry", "MESSAGE", "--all"], "Give names, or --all"),
        (["retry", "MESSAGE", "evt_1"], "evt_1 is not pending"),
        (["discard", "MESSAGE"], "--reason"),
        (["discard", "MESSAGE", "--reason", " "], "--reason must say why"),
        (["discard", "MESSAGE/x.y", "--reason", "x"], "is not pending"),
        (["forget", "MESSAGE"], "invalid choice"),
    ],
)
def test_invalid_arguments_are_refused_and_change_nothing(run, message, arguments, why):
    with pytest.raises(CommandError, match=why):
        run(*[each.replace("MESSAGE", message) for each in arguments])
    assert is_parked(Outbox)
    assert last_event()[0] == "cart.item_added"


def test_work_that_is_not_parked_cannot_be_discarded(run, message):
    waiting = EventRecord.objects.latest("number").id
    with pytest.raises(CommandError, match="is not parked"):
        run("discard", waiting, "--reason", "impatience")
    assert Outbox.objects.count() == 2
