"""Filters of lists. A misspelt one is refused: silently ignored, it would answer too much."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

PAGING = ("cursor", "page_size")


class StrictFilterBackend(filters.DjangoFilterBackend):
    """Knows the view's filters, and the names that paging uses."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        filterset_class = self.get_filterset_class(view, queryset)
        known = {*PAGING, *(filterset_class.base_filters if filterset_class else ())}
        if unknown := {name: ["Unknown filter."] for name in request.query_params.keys() - known}:
            raise ValidationError(unknown)
        return super().filter_queryset(request, queryset, view)


class FlagFilter(filters.TypedChoiceFilter):
    """`true` or `false`; anything else is refused."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(choices=choices, coerce="true".__eq__, **kwargs)


class ContextFilters(filters.FilterSet):
    """What every list can be filtered by."""

    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    updated_since = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")
