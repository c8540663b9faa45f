"""The health endpoints of one process."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from events.models import EventRecord, Outbox
from tests.events.sample_events import added, created, happen

pytestmark = pytest.mark.django_db


@pytest.fixture
def health(client, settings, unused_tcp_port, django_assert_num_queries):
    """Return a function that requests /health/ready, without a broker and in two queries."""
    settings.EVENTS_BROKER_URL = f"amqp://127.0.0.1:{unused_tcp_port}//"

    def ask():
        with django_assert_num_queries(2):
            response = client.get("/health/ready")
        assert response.status_code == 200, "it serves requests without a broker"
        return response.json()

    return ask


def waits_for(seconds, stream):
    EventRecord.objects.filter(stream=stream).update(
        recorded_at=F("recorded_at") - timedelta(seconds=seconds)
    )


def codes(response):
    assert response["status"] == "degraded"
    return [problem["code"] for problem in response["problems"]]


def test_overdue_messages_degrade_the_status_until_they_are_published(health):
    happen("cart_1", created(), added())
    assert health() == {"status": "ok"}, "every message is pending for a moment"
    waits_for(300, "cart_1")
    response = health()
    assert codes(response) == ["messages_late"]
    assert "is 30" in response["problems"][0]["detail"]
    Outbox.objects.all().delete()
    assert health() == {"status": "ok"}


def test_a_parked_message_has_a_problem_of_its_own(health):
    happen("cart_1", created(), added())
    happen("cart_2", created())
    waits_for(7200, "cart_1")
    parked = Outbox.objects.filter(stream="cart_1").earliest("event")
    Outbox.objects.filter(pk=parked.pk).update(parked_at=timezone.now())
    response = health()
    assert codes(response) == ["messages_parked"], "the message behind it is not late"
    assert "refused: 1." in response["problems"][0]["detail"]
    waits_for(300, "cart_2")
    assert codes(health()) == ["messages_late", "messages_parked"]
