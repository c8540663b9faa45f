"""Filters of lists."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from drf_spectacular.drainage import set_override

from config.api.tokens import LONGEST_ID


class IdFilter(filters.CharFilter):
    """An id as it comes: one with a space at its end is another's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, max_length=LONGEST_ID, **kwargs)
        _describe(self, {"type": "string", "minLength": 1, "maxLength": LONGEST_ID})


class MomentField(IsoDateTimeField):
    """A moment that a database can compare with: neither one before year 1 nor at `+20:25`."""

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], "invalid") from error


class MomentFilter(filters.IsoDateTimeFilter):
    """An ISO 8601 date and time, from which (`gte`) or up to which (`lt`) rows are shown."""

    field_class = MomentField
    bounds: ClassVar[dict[str, str]] = {
        "gte": "This moment or later.",
        "lt": "Before this moment, not at it.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(help_text=self.bounds[kwargs["lookup_expr"]], **kwargs)


class FlagFilter(filters.TypedChoiceFilter):
    """`true` or `false`; anything else is refused."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(choices=choices, coerce="true".__eq__, **kwargs)
        _describe(self, {"type": "boolean"})


def _describe(one: filters.Filter, schema: dict[str, Any]) -> None:
    set_override(one, "field", schema | {"description": one.extra["help_text"]})


class ContextFilters(filters.FilterSet):
    """What every list can be filtered by."""

    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte")
