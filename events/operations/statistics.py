"""How much work is pending and parked, and for how long.

Only the small tables are read, so that the queries stay fast with a million pending rows and a
long log.
"""

from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from events.models import EventRecord, Outbox, Reaction

PARKED = Q(parked_at__isnull=False)


def unblocked_messages() -> QuerySet[Outbox]:
    """Return the pending messages of streams without a parked message."""
    # The parked streams are few and have an index. NOT EXISTS, planned before the table was
    # analyzed, compared each of them with each row.
    return Outbox.objects.exclude(stream__in=Outbox.objects.filter(PARKED).values("stream"))


def unblocked_reactions() -> QuerySet[Reaction]:
    """Return the pending reactions without a parked one of the same stream and context."""
    same = {name: OuterRef(name) for name in ("stream", "context")}
    return Reaction.objects.filter(~Exists(Reaction.objects.filter(PARKED, **same)))


def age(rows: QuerySet[Any]) -> float:
    """Return the age of the oldest of these rows in seconds; 0 if there is none."""
    # The limit comes before the log: joined, the planner may begin at the log's first row.
    oldest = EventRecord.objects.filter(pk=rows.order_by("event").values("event")[:1])
    ages = list(oldest.values_list(Now() - F("recorded_at"), flat=True))
    return float(ages[0].total_seconds()) if ages else 0.0


def count(model: type[Outbox] | type[Reaction]) -> tuple[int, int]:
    """Return how many rows are pending, and how many of them are parked, in one query."""
    counts = model.objects.aggregate(pending=Count("*"), parked=Count("parked_at"))
    return counts["pending"], counts["parked"]


def parked_messages() -> int:
    """Return how many messages are parked."""
    return Outbox.objects.filter(PARKED).count()
