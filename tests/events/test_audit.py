"""The audit entries of reconciliations and replays that an operator requests."""

from uuid import uuid4

import pytest
from django.urls import reverse

from events import tasks
from events.models import AuditEntry, Outbox
from tests.events.sample_events import created, happen

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "admin:events_auditentry_changelist"


def start(client, action="reconcile_events", **fields):
    return client.post(
        reverse(f"admin:events_auditentry_{action}"), {"key": str(uuid4()), **fields}
    )


def test_an_operator_requests_a_reconciliation(operator, enqueued):
    happen("cart_1", created())
    Outbox.objects.all().delete()
    client = operator()
    enqueued.clear()
    response = start(client)
    entry = AuditEntry.objects.get()
    assert response.status_code == 302
    assert (entry.actor, entry.action, entry.begun_at) == ("olga", "reconcile_events", None)
    assert enqueued == [("events.tasks.run_requested", (entry.id,))]
    page = client.get(reverse(LIST)).content.decode()
    assert "waiting" in page
    assert "Replay events" in page
    tasks.run_requested(entry.id)
    page = client.get(response.url).content.decode()
    assert "is neither published, nor pending, nor discarded" in page
    assert "problems: 1" in page
    assert "finished" in client.get(reverse(LIST)).content.decode()


def test_the_entry_of_a_refused_replay_shows_the_error(operator):
    start(operator(), "replay_events", queue="no.such.queue", name="cart.created", rate="9")
    entry = AuditEntry.objects.get()
    arguments = {"queue": "no.such.queue", "names": ["cart.created"], "rate": 9}
    assert entry.arguments == arguments
    tasks.run_requested(entry.id)
    entry.refresh_from_db()
    assert entry.result == "No published event matches."
    assert entry.finished_at


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "queue"),
        ({"queue": "q", "name": "order.held"}, "name"),
        ({"queue": "q", "rate": "0"}, "rate"),
    ],
)
def test_an_invalid_form_is_refused(operator, fields, wrong):
    response = start(operator(), "replay_events", **fields)
    assert list(response.context["form"].errors) == [wrong]
    assert not AuditEntry.objects.exists()


def test_the_view_permission_allows_no_run(operator):
    client = operator("events.view_auditentry")
    page = client.get(reverse(LIST)).content.decode()
    assert "Replay events" not in page
    assert start(client).status_code == 403
    assert not AuditEntry.objects.exists()


def test_a_lost_task_is_enqueued_again_and_a_repeated_one_does_nothing(operator, enqueued):
    start(operator())
    entry = AuditEntry.objects.get()
    enqueued.clear()
    tasks.sweep()
    assert enqueued == [("events.tasks.run_requested", (entry.id,))]
    tasks.run_requested(entry.id)
    finished = AuditEntry.objects.values().get()
    tasks.run_requested(entry.id)
    assert AuditEntry.objects.values().get() == finished
    enqueued.clear()
    tasks.sweep()
    assert enqueued == []


def test_an_entry_cannot_be_changed_or_deleted(operator):
    start(operator())
    entry = AuditEntry.objects.get()
    change = reverse("admin:events_auditentry_change", args=[entry.id])
    client = operator(username="otto")
    assert client.post(change, {"result": "all is well"}).status_code == 403
    delete = reverse("admin:events_auditentry_delete", args=[entry.id])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    entry.refresh_from_db()
    assert entry.result == ""
