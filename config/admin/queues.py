"""Work queues: rows that need attention, as a filter of their list and on the first page."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise

MOST = 1000  # rows that are counted; of more, "more than 1000" is enough to know


class Queue(NamedTuple):
    """`rows(queryset)` are those that wait; `key` is the value in the URL."""

    key: str
    title: str | Promise
    rows: Callable[[QuerySet[Any]], QuerySet[Any]]
    icon: str = "inbox"

    def waiting(self, rows: QuerySet[Any]) -> str:
        """Return how many wait, as text."""
        found = self.rows(rows).order_by()[: MOST + 1].count()
        return f"{MOST}+" if found > MOST else str(found)


class QueueFilter(admin.SimpleListFilter):
    """The queues of the list's own admin."""

    title = "work queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.queues: dict[str, Queue] = {queue.key: queue for queue in model_admin.queues}
        return [(queue.key, str(queue.title)) for queue in model_admin.queues]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        key = self.value()
        return self.queues[key].rows(queryset) if key in self.queues else queryset
