"""Lists stay cheap however long they grow, and stable while rows are added."""

import re
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.fields import empty
from rest_framework.pagination import CursorPagination

PAGE_SIZE = 25
_POSITION = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NewestFirst(CursorPagination):
    """Ids made later sort later, so the id alone is the order."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 100

    def get_page_size(self, request: Any) -> int:
        """Raises ValidationError for what is no page size: 25 rows would not be what was asked."""
        size = serializers.IntegerField(
            min_value=1, max_value=self.max_page_size, default=PAGE_SIZE
        )
        try:
            given = request.query_params.get(self.page_size_query_param, empty)
            return int(size.run_validation(given))
        except serializers.ValidationError as error:
            raise serializers.ValidationError({self.page_size_query_param: error.detail}) from error

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        cursor, size = super().get_schema_operation_parameters(view)
        size["schema"] |= {"minimum": 1, "maximum": self.max_page_size, "default": PAGE_SIZE}
        return [cursor, size]

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        url = {"type": ["string", "null"], "format": "uri", "example": None}
        properties = {"next": url, "previous": url, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    def decode_cursor(self, request: Any) -> Any:
        """A forged position may hold what no database accepts in a query."""
        cursor = super().decode_cursor(request)
        if cursor and cursor.position and not _POSITION.fullmatch(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor
