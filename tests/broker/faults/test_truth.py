"""The checker finds every kind of difference."""

from dataclasses import replace

import pytest

from events.models import EventRecord
from tests.broker.faults.truth import Received, compare
from tests.events.sample_events import added, created, happen

pytestmark = pytest.mark.django_db


@pytest.fixture
def received():
    """Three messages as a consumer must receive them."""
    happen("cart_1", created(), added(), added())
    rows = EventRecord.objects.order_by("number")
    return [Received(row.id, row.stream, row.sequence, row.body.encode()) for row in rows]


@pytest.fixture(autouse=True)
def ground():
    """Replace the broker, which these tests do not need."""


def test_equal_messages_have_no_difference(received):
    verdict = compare(received)
    assert (verdict.events, verdict.lost, verdict.invented) == (3, 0, 0)
    assert (verdict.reordered, verdict.duplicates) == (0, 0)


def test_a_message_is_missing(received):
    assert compare(received[:1] + received[2:]).lost == 1


def test_a_message_was_never_committed(received):
    assert compare([*received, replace(received[0], id="evt_unknown", sequence=4)]).invented == 1


def test_a_message_has_other_bytes(received):
    assert compare([*received[:2], replace(received[2], body=b"{}")]).invented == 1


def test_a_message_has_other_bytes_the_second_time(received):
    assert compare([*received, replace(received[2], body=b"{}")]).invented == 1


def test_two_messages_are_swapped(received):
    assert compare([received[0], received[2], received[1]]).reordered == 1


def test_a_message_comes_twice_and_late(received):
    verdict = compare([*received, received[0]])
    assert (verdict.duplicates, verdict.reordered) == (1, 0)
