"""What is owed, how much of it is parked, and since when: asked of the small tables, so that it
costs little while a million rows wait, and however long the log is.
"""

from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from events.models import EventRecord, Outbox, Reaction

PARKED = Q(parked_at__isnull=False)


def messages() -> QuerySet[Outbox]:
    """Return the owed messages that no parked one holds."""
    # The parked streams are few and have an index. NOT EXISTS, planned before the table was
    # analyzed, compared each of them with each row.
    return Outbox.objects.exclude(stream__in=Outbox.objects.filter(PARKED).values("stream"))


def reactions() -> QuerySet[Reaction]:
    """Return the owed reactions that no parked one holds."""
    line = {name: OuterRef(name) for name in ("stream", "context")}
    return Reaction.objects.filter(~Exists(Reaction.objects.filter(PARKED, **line)))


def age(rows: QuerySet[Any]) -> float:
    """Return for how many seconds the oldest of these rows has been owed; 0 if there is none."""
    # The limit comes before the log: joined, the planner may begin at the log's first row.
    oldest = EventRecord.objects.filter(pk=rows.order_by("event").values("event")[:1])
    ages = list(oldest.values_list(Now() - F("recorded_at"), flat=True))
    return float(ages[0].total_seconds()) if ages else 0.0


def count(model: type[Outbox] | type[Reaction]) -> tuple[int, int]:
    """Return how many rows are owed, and how many of them are parked: one look at the table."""
    counts = model.objects.aggregate(owed=Count("*"), parked=Count("parked_at"))
    return counts["owed"], counts["parked"]


def parked_messages() -> int:
    """Return how many messages wait for an operator."""
    return Outbox.objects.filter(PARKED).count()
