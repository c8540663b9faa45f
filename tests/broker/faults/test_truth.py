"""The checker finds every kind of difference."""

from dataclasses import replace

import pytest

from events.models import EventRecord
from tests.broker.faults.truth import Heard, compare
from tests.events.sample_events import added, created, happen

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard():
    """Three messages as a consumer must get them."""
    happen("cart_1", created(), added(), added())
    rows = EventRecord.objects.order_by("number")
    return [Heard(row.id, row.stream, row.sequence, row.body.encode()) for row in rows]


@pytest.fixture(autouse=True)
def ground():
    """Needs no broker."""


def test_equal_messages_have_no_difference(heard):
    verdict = compare(heard)
    assert (verdict.events, verdict.lost, verdict.invented) == (3, 0, 0)
    assert (verdict.reordered, verdict.duplicates) == (0, 0)


def test_a_message_is_missing(heard):
    assert compare(heard[:1] + heard[2:]).lost == 1


def test_a_message_was_never_committed(heard):
    assert compare([*heard, replace(heard[0], id="evt_unknown", sequence=4)]).invented == 1


def test_a_message_has_other_bytes(heard):
    assert compare([*heard[:2], replace(heard[2], body=b"{}")]).invented == 1


def test_a_message_has_other_bytes_the_second_time(heard):
    assert compare([*heard, replace(heard[2], body=b"{}")]).invented == 1


def test_two_messages_are_swapped(heard):
    assert compare([heard[0], heard[2], heard[1]]).reordered == 1


def test_a_message_comes_twice_and_late(heard):
    verdict = compare([*heard, heard[0]])
    assert (verdict.duplicates, verdict.reordered) == (1, 0)
