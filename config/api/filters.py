"""Filters of lists."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from drf_spectacular.utils import extend_schema_field

from config.api.tokens import LONGEST_ID


class IdFilter(filters.CharFilter):
    """An id as it comes: one with a space at its end is another's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, max_length=LONGEST_ID, **kwargs)


class MomentField(IsoDateTimeField):
    """A moment that a database can compare with: neither one before year 1 nor at `+20:25`."""

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], "invalid") from error


class MomentFilter(filters.IsoDateTimeFilter):
    """An ISO 8601 date and time."""

    field_class = MomentField


@extend_schema_field({"type": "boolean"})
class FlagFilter(filters.TypedChoiceFilter):
    """`true` or `false`; anything else is refused."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(choices=choices, coerce="true".__eq__, **kwargs)


class ContextFilters(filters.FilterSet):
    """What every list can be filtered by."""

    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte")
