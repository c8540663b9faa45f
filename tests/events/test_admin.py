"""The admin's pages of the log and of pending work."""

import json

import pytest
from django.urls import reverse
from django.utils import timezone

from events import reactions
from events.models import EventRecord, Outbox, Publication, Reaction
from events.operations import parked
from orders.models import Order
from tests.factories import OrderFactory
from tests.log import event_data, event_names

pytestmark = pytest.mark.django_db

ERROR = "PreconditionFailed(406, <too large>)"


@pytest.fixture
def message():
    """A parked message that blocks another one of its order."""
    order = OrderFactory()
    first = Outbox.objects.filter(stream=order.id).order_by("event_id").first()
    first.parked_at, first.attempts, first.last_error = timezone.now(), 5, ERROR
    first.save()
    return first


@pytest.fixture
def reaction(message):
    """A parked reaction."""
    return Reaction.objects.create(
        event=message.event,
        reaction="payments.refund",
        stream=message.stream,
        context="payments",
        attempts=10,
        parked_at=timezone.now(),
        last_error=ERROR,
    )


def order_of(row):
    return Order.objects.get(pk=row.stream)


def url(row, page="change", *args):
    return reverse(f"admin:events_{row._meta.model_name}_{page}", args=[row.pk, *args])


def command(row, name):
    return url(row, "command", name)


def titles(client, row):
    page = client.get(url(row))
    return [button["title"] for button in page.context["actions_detail"]]


def test_a_parked_message_is_listed_with_its_error(operator, message):
    client = operator()
    listed = client.get(reverse("admin:events_outbox_changelist"), {"queue": "parked"})
    assert [row.pk for row in listed.context["cl"].result_list] == [message.pk]
    assert "&lt;too large&gt;" in client.get(url(message)).content.decode()
    assert titles(client, message) == ["Retry", "Discard"]
    held = Outbox.objects.exclude(pk=message.pk).get(stream=message.stream)
    assert titles(client, held) == []


@pytest.mark.parametrize("what", ["message", "reaction"])
def test_a_retry_is_recorded_and_enqueues_its_task(
    operator, request, enqueued, what, django_capture_on_commit_callbacks
):
    row = request.getfixturevalue(what)
    enqueued.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert operator().post(command(row, "retry")).status_code == 302
    row.refresh_from_db()
    assert (row.parked_at, row.not_before) == (None, None)
    event = event_data(order_of(row), "event.retried")
    assert event == {
        "event_id": row.event.id,
        "event_name": "order.created",
        "reaction": getattr(row, "reaction", None),
        "retried_by": "olga",
    }
    waked = ("events.tasks.react", (row.stream,))
    assert enqueued == [waked if what == "reaction" else ("events.tasks.relay", ())]


@pytest.mark.parametrize("what", ["message", "reaction"])
def test_discarding_needs_a_reason_and_is_recorded(operator, request, what):
    row, client = request.getfixturevalue(what), operator()
    without = client.post(command(row, "discard"), {"reason": " "})
    assert without.context["form"].errors == {"reason": ["This field is required."]}
    assert type(row).objects.filter(pk=row.pk).exists()
    assert client.post(command(row, "discard"), {"reason": "sent by hand"}).status_code == 302
    assert not type(row).objects.filter(pk=row.pk).exists()
    event = event_data(order_of(row), "event.discarded")
    assert (event["reason"], event["discarded_by"]) == ("sent by hand", "olga")
    assert event["reaction"] == getattr(row, "reaction", None)
    assert EventRecord.objects.get(stream=row.stream, name="event.discarded").sequence is None
    assert not Publication.objects.exists()


def test_a_message_that_is_not_parked_cannot_be_discarded(operator, message):
    held = Outbox.objects.exclude(pk=message.pk).get(stream=message.stream)
    refused = operator().post(command(held, "discard"), {"reason": "impatience"})
    assert "is not parked" in refused.content.decode()
    assert Outbox.objects.filter(pk=held.pk).exists()


def test_the_timeline_does_not_show_the_error(operator, api, message):
    """An error may quote rows; every client of the organization can read the timeline."""
    message.last_error = "IntegrityError('Failing row contains (Ana Torres)')"
    message.save()
    client = operator()
    client.post(command(message, "discard"), {"reason": "too large"})
    timeline = api.get(f"/api/v1/orders/{message.stream}/timeline").content.decode()
    assert "event.discarded" in timeline
    assert "Ana" not in timeline


def test_a_message_that_was_already_discarded_is_not_found(operator, message):
    client = operator()
    client.post(command(message, "discard"), {"reason": "too large"})
    late = client.post(command(message, "discard"), {"reason": "too large"}, follow=True)
    assert "doesn’t exist" in late.content.decode()


def test_what_is_not_pending_any_more_is_refused(message):
    parked.discard(outbox_id=message.pk, reason="twice")
    with pytest.raises(parked.NotPending, match="was discarded"):
        parked.discard(outbox_id=message.pk, reason="twice")
    with pytest.raises(parked.NotPending):
        parked.retry(outbox_id=message.pk)
    assert event_names(order_of(message)).count("event.discarded") == 1


def test_several_rows_can_be_retried_together(operator, message):
    other = Outbox.objects.exclude(pk=message.pk).get(stream=message.stream)
    sent = {"action": "retry", "_selected_action": [message.pk, other.pk]}
    response = operator().post(reverse("admin:events_outbox_changelist"), sent, follow=True)
    assert "Retry: 2 of 2 rows done." in response.content.decode()
    assert not Outbox.objects.filter(parked_at__isnull=False).exists()
    assert event_names(order_of(message)).count("event.retried") == 1, (
        "the other one was due anyway"
    )


def test_the_view_permission_allows_no_command(operator, message):
    client = operator("events.view_outbox")
    assert client.get(url(message)).status_code == 200
    sent = {"action": "retry", "_selected_action": [message.pk]}
    client.post(reverse("admin:events_outbox_changelist"), sent)
    assert client.post(command(message, "discard"), {"reason": "x"}).status_code == 403
    message.refresh_from_db()
    assert message.parked_at


def test_a_retried_reaction_runs(reaction, monkeypatch):
    ran = []
    registered = reactions.Registered(
        "payments.refund", "payments", lambda event, about: ran.append(event), deferred=True
    )
    monkeypatch.setitem(reactions._by_name, "payments.refund", registered)
    reactions.run_pending(reaction.stream)
    assert not ran
    parked.retry(reaction_id=reaction.pk)
    reactions.run_pending(reaction.stream)
    assert [event.name for event in ran] == ["order.created"]
    assert not Reaction.objects.exists()


def test_the_page_of_an_event_shows_its_body_and_its_pending_work(operator, reaction):
    client, event = operator(), reaction.event
    page = client.get(url(event))
    text = page.content.decode()
    for word in ("message to the broker, payments.refund", "Order created", event.id):
        assert word in text
    value = json.loads(event.body)["data"]["order_number"]
    assert f"&quot;order_number&quot;: &quot;{value}&quot;" in text
    assert reverse("admin:orders_order_change", args=[event.stream]) in text


@pytest.mark.parametrize("query", [{"q": "stream"}, {"q": "id"}, {"name": "order.placed"}])
def test_the_log_can_be_searched(operator, message, query):
    OrderFactory()
    event = EventRecord.objects.get(stream=message.stream, name="order.placed")
    query = {key: getattr(event, value, value) for key, value in query.items()}
    listed = operator().get(reverse("admin:events_eventrecord_changelist"), query)
    rows = list(listed.context["cl"].result_list)
    assert event in rows
    assert len(rows) == (1 if query.get("q") == event.id else 2)


def test_the_timeline_shows_the_state_of_each_event(operator, message):
    client = operator()
    Publication.objects.create(
        event=EventRecord.objects.get(stream=message.stream, name="order.placed"),
        organization_id="org_1",
    )
    Outbox.objects.exclude(pk=message.pk).delete()
    client.post(command(message, "discard"), {"reason": "too large"})
    page = client.get(reverse("admin:orders_order_change", args=[message.stream]))
    states = {entry.event.name: entry.state for entry in page.context["timeline"]}
    assert states == {
        "order.created": "discarded",
        "order.placed": "published",
        "event.discarded": "internal",
    }
