"""Pagination by cursor: a page costs the same in a list of any length, and new rows shift none."""

import re
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.fields import empty
from rest_framework.pagination import CursorPagination

PAGE_SIZE = 25
_POSITION = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NewestFirst(CursorPagination):
    """Lists start with the newest row. Ids sort by the time of creation."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 100

    def get_page_size(self, request: Any) -> int:
        """Return the page size. Raises ValidationError, instead of using the default."""
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
        cursor["description"] = "From `next` or `previous`."
        size["description"] = "Results on a page."
        size["schema"] |= {"minimum": 1, "maximum": self.max_page_size, "default": PAGE_SIZE}
        return [cursor, size]

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        url = {"type": ["string", "null"], "format": "uri", "example": None}
        properties = {"next": url, "previous": url, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    def decode_cursor(self, request: Any) -> Any:
        """Raise NotFound for a forged cursor: a database does not accept every character."""
        cursor = super().decode_cursor(request)
        if cursor and cursor.position and not _POSITION.fullmatch(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor
