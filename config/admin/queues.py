"""Work queues: rows that need attention, as a filter of their list and on the first page."""

from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.functional import Promise

MAX_COUNT = 1000  # of more rows, the page shows "1000+"


class Queue(NamedTuple):
    """The rows that meet a condition; `key` is the queue's value in the URL."""

    key: str
    title: str | Promise
    condition: Q | Combinable
    icon: str

    def length(self, rows: QuerySet[Any]) -> str:
        """Return the number of rows in the queue, as text."""
        count = rows.filter(self.condition).order_by()[: MAX_COUNT + 1].count()
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
        return queryset.filter(self.queues[key].condition) if key in self.queues else queryset
