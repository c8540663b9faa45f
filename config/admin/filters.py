"""Filters of the admin's lists."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.core.ids import bounded


class CreatedFilter(admin.DateFieldListFilter):
    """Filters by the day of creation, and by the id, which contains the time of creation."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows: Any = super().queryset(request, queryset)
        given: Any = self.used_parameters
        for lookup in ("gte", "lt"):
            for moment in given.get(f"{self.field_path}__{lookup}", ()):
                rows = bounded(rows, lookup, self.field.to_python(moment))
        return cast(QuerySet[Any], rows)
