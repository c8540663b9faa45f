from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import transaction

from config.core.models import NumberSeries
from config.core.numbering import next_number, take_number
from tests.events.sample_events import NOON, at_once


def take(organization="org_1", series="ORD", at=NOON):
    return next_number(organization_id=organization, series=series, at=at)


@pytest.mark.django_db
def test_each_organization_series_and_year_has_its_own_numbers():
    assert [take(), take(), take()] == ["ORD-2025-0001", "ORD-2025-0002", "ORD-2025-0003"]
    assert take("org_2") == "ORD-2025-0001"
    assert take(series="RMA") == "RMA-2025-0001"
    assert take(at=datetime(2026, 1, 1, tzinfo=UTC)) == "ORD-2026-0001"


@pytest.mark.django_db
def test_the_year_is_that_of_the_moment_in_its_time_zone():
    evening = datetime(2025, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))
    assert take(at=evening) == "ORD-2025-0001"
    assert take(at=evening.astimezone(UTC)) == "ORD-2026-0001"


@pytest.mark.django_db
def test_four_digits_grow_to_five():
    NumberSeries.objects.create(organization_id="org_1", series="ORD", year=2025, last=9998)
    assert [take(), take()] == ["ORD-2025-9999", "ORD-2025-10000"]


@pytest.mark.django_db(transaction=True)
def test_concurrent_transactions_leave_no_gap_even_if_some_roll_back():
    taken = []

    def work():
        for turn in range(10):
            with transaction.atomic():
                number = take()
                if turn % 3 == 2:
                    transaction.set_rollback(True)
                else:
                    taken.append(number)

    at_once(*[work] * 6)
    assert sorted(taken) == [f"ORD-2025-{n:04}" for n in range(1, len(taken) + 1)]
    assert len(taken) == 6 * 7


@pytest.mark.django_db(transaction=True)
def test_a_number_that_may_have_gaps_waits_for_no_other_transaction():
    series = {"organization_id": "org_1", "series": "RMA", "at": NOON}
    taken = []
    with transaction.atomic():
        taken.append(take_number(**series))
        at_once(lambda: taken.append(take_number(**series)))
        transaction.set_rollback(True)
    taken.append(take_number(**series))
    assert taken == ["RMA-2025-0001", "RMA-2025-0002", "RMA-2025-0003"]
