"""Filters of lists."""

import re
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import EMPTY_VALUES, RegexValidator
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from drf_spectacular.drainage import set_override

from config.api.serializers import MOMENT, Moment
from config.api.tokens import LONGEST_ID
from config.core.client_data import MAX_KEY, MAX_VALUE, has_line, has_metadata
from config.core.ids import bounded

MAX_ENTRY = MAX_KEY + len(":") + MAX_VALUE


class IdFilter(filters.CharFilter):
    """An id, compared as it is: a trailing space belongs to it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, max_length=LONGEST_ID, **kwargs)
        _describe(self, {"type": "string", "minLength": 1, "maxLength": LONGEST_ID})


class MomentField(IsoDateTimeField):
    """A time as RFC 3339 writes it, returned in UTC; one that UTC cannot represent is invalid."""

    def clean(self, value: Any) -> datetime | None:
        if value and not re.fullmatch(MOMENT, str(value)):
            raise ValidationError(Moment.default_error_messages["format"], "invalid")
        moment: datetime | None = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], "invalid") from error


class MomentFilter(filters.IsoDateTimeFilter):
    """A date and time with its offset, from which (`gte`) or up to which (`lt`) rows are shown."""

    field_class = MomentField
    bounds: ClassVar[dict[str, str]] = {
        "gte": "at this time or later",
        "lt": "before this time, not at it",
    }

    def __init__(self, **kwargs: Any) -> None:
        what = kwargs["field_name"].removesuffix("_at").capitalize()
        bound = self.bounds[kwargs["lookup_expr"]]
        super().__init__(help_text=f"{what} {bound}.", **kwargs)


class CreatedFilter(MomentFilter):
    """The creation time of a row, which its id contains too."""

    def filter(self, qs: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().filter(qs, value)
        return bounded(rows, self.lookup_expr, value) if value else rows


class AnyOf(filters.MultipleChoiceFilter):
    """One of the given values."""

    def __init__(self, **kwargs: Any) -> None:
        # DISTINCT would sort all that match before the first page, and nothing comes twice.
        help_text = "Repeat the parameter to allow several values."
        super().__init__(distinct=False, help_text=help_text, **kwargs)


class FlagFilter(filters.TypedChoiceFilter):
    """`true` keeps the rows that meet a condition, `false` the others."""

    def __init__(self, condition: Q | Combinable | None = None, **kwargs: Any) -> None:
        self.condition = condition
        choices = [("true", "true"), ("false", "false")]
        super().__init__(choices=choices, coerce="true".__eq__, **kwargs)
        _describe(self, {"type": "boolean"})

    def filter(self, qs: QuerySet[Any], value: bool | None) -> QuerySet[Any]:
        if value in EMPTY_VALUES or self.condition is None:
            return qs
        return qs.filter(self.condition if value else ~self.condition)


class LineFilter(IdFilter):
    """The rows that have a line with this reference."""

    def __init__(self) -> None:
        super().__init__(help_text="The id of a line in your own system.")

    def filter(self, qs: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        return qs.filter(has_line(qs.model, value)) if value else qs


class MetadataFilter(filters.CharFilter):
    """The rows whose metadata has an entry: `engraving:Ana`."""

    def __init__(self) -> None:
        help_text = "An entry of the metadata, as `key:value`: `engraving:Ana`."
        pattern = rf"^[^:]{{1,{MAX_KEY}}}:"
        checks = [RegexValidator(pattern, "Write an entry as key:value.")]
        super().__init__(strip=False, max_length=MAX_ENTRY, validators=checks, help_text=help_text)
        schema = {"type": "string", "pattern": pattern, "maxLength": MAX_ENTRY}
        _describe(self, schema)

    def filter(self, qs: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        return qs.filter(has_metadata(qs.model, value)) if value else qs


class Expand(filters.ChoiceFilter):
    """Whether the rows of a list have their lines, which are the field `name`."""

    def __init__(self, name: str) -> None:
        help_text = f"With `{name}`, each row has its `{name}`, as a single one has."
        super().__init__(choices=[(name, name)], help_text=help_text)

    def filter(self, qs: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        return qs  # the view chooses the rows' fields


def _describe(one: filters.Filter, schema: dict[str, Any]) -> None:
    set_override(one, "field", schema | {"description": one.extra["help_text"]})


class ContextFilters(filters.FilterSet):
    """The filters of every list."""

    created_after = CreatedFilter(field_name="created_at", lookup_expr="gte")
    created_before = CreatedFilter(field_name="created_at", lookup_expr="lt")
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte")
