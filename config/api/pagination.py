"""Lists stay cheap however long they grow, and stable while rows are added."""

import re
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination

_POSITION = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NewestFirst(CursorPagination):
    """Ids made later sort later, so the id alone is the order."""

    ordering = "-id"
    page_size = 25
    page_size_query_param = "page_size"
    max_page_size = 100

    def decode_cursor(self, request: Any) -> Any:
        """A forged position may hold what no database accepts in a query."""
        cursor = super().decode_cursor(request)
        if cursor and cursor.position and not _POSITION.fullmatch(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor
