"""Dates and days by an organization's clock."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from config.core.clock import days_later, local, validate_time_zone


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "moment", "date"),
    [
        ("America/Sao_Paulo", "2026-01-01T02:59:59", "2025-12-31"),
        ("America/Sao_Paulo", "2026-01-01T03:00", "2026-01-01"),
        ("America/Sao_Paulo", "2019-01-01T01:59:59", "2018-12-31"),  # it had summer time
        ("America/Sao_Paulo", "2019-01-01T02:00", "2019-01-01"),
        ("Pacific/Kiritimati", "2025-12-31T10:00", "2026-01-01"),
        ("Asia/Kathmandu", "2025-12-31T18:15", "2026-01-01"),
        ("UTC", "2026-01-01T00:00", "2026-01-01"),
    ],
)
def test_the_date_is_that_of_the_time_zone(zone, moment, date):
    assert str(local(utc(moment), zone).date()) == date


@pytest.mark.parametrize(
    ("zone", "moment", "days", "later"),
    [
        ("UTC", "2026-03-28T12:00", 1, "2026-03-29T12:00"),
        ("Europe/Madrid", "2026-03-28T12:00", 1, "2026-03-29T11:00"),  # a day of 23 hours
        ("Europe/Madrid", "2026-10-24T12:00", 1, "2026-10-25T13:00"),  # a day of 25 hours
        ("Europe/Madrid", "2026-03-28T01:30", 1, "2026-03-29T01:30"),  # 02:30 is skipped: 03:30
        ("Pacific/Apia", "2011-12-29T22:00", 1, "2011-12-30T22:00"),  # December 30 was skipped
        ("America/Sao_Paulo", "2026-03-28T12:00", 30, "2026-04-27T12:00"),
    ],
)
def test_days_later_is_the_same_time_of_day(zone, moment, days, later):
    assert days_later(utc(moment), days, zone) == utc(later)


@pytest.mark.parametrize("name", ["Europe/Madird", "+02:00", "europe/madrid", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_refused(name):
    with pytest.raises(ValidationError, match="Unknown time zone"):
        validate_time_zone(name)
