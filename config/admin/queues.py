"""Work queues: rows that need attention, as a filter of their list and on the first page."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise

MAX_COUNT = 1000  # of more rows, the page shows "1000+"


class Queue(NamedTuple):
    """`rows(queryset)` selects the rows of the queue; `key` is its value in the URL."""

    key: str
    title: str | Promise
    rows: Callable[[QuerySet[Any]], QuerySet[Any]]
    icon: str = "inbox"

    def length(self, rows: QuerySet[Any]) -> str:
        """Return the number of rows in the queue, as text."""
        count = self.rows(rows).order_by()[: MAX_COUNT + 1].count()
        return f"{MAX_COUNT}+" if count > MAX_COUNT else str(count)


class QueueFilter(admin.SimpleListFilter):
    """Filters a list by the queues of its admin."""

    title = "work queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.queues: dict[str, Queue] = {queue.key: queue for queue in model_admin.queues}
        return [(queue.key, str(queue.title)) for queue in model_admin.queues]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        key = self.value()
        return self.queues[key].rows(queryset) if key in self.queues else queryset
