"""The clock of an organization: its dates, its years and its days."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

_names = cache(available_timezones)


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless it is a name of the IANA time zone database."""
    if name not in _names():
        raise ValidationError(_("Unknown time zone. Example: Europe/Madrid."))


class TimeZoneField(models.CharField):
    """The IANA name of a time zone: `Europe/Madrid`. UTC by default."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"default": "UTC", "db_default": "UTC", **kwargs, "max_length": 64})


def local(moment: datetime, time_zone: str) -> datetime:
    """Return the moment in a time zone. Its date and its year are those of the zone."""
    return moment.astimezone(ZoneInfo(time_zone))


def days_later(moment: datetime, days: int, time_zone: str) -> datetime:
    """Return the moment some days later at the same time of day, in UTC.

    A day at whose end clocks change has 23 or 25 hours. A time that they skip becomes the one an
    hour later.
    """
    return (local(moment, time_zone) + timedelta(days=days)).astimezone(UTC)
