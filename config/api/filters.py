"""Filters of lists. A misspelt or empty one is refused: ignored, it would answer too much."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

PAGING = ("cursor", "page_size")


class StrictFilterBackend(filters.DjangoFilterBackend):
    """Knows the view's filters, and the names that paging uses."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        filterset_class = self.get_filterset_class(view, queryset)
        known = {*PAGING, *(filterset_class.base_filters if filterset_class else ())}
        errors = {name: ["Unknown filter."] for name in request.query_params.keys() - known}
        for name, values in request.query_params.lists():
            if "" in values:
                errors.setdefault(name, ["Give a value, or leave it out."])
        if errors:
            raise serializers.ValidationError(errors)
        return super().filter_queryset(request, queryset, view)


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
