"""The first page of the admin: the work queues and the latest events."""

from typing import Any

from django.http import HttpRequest

from config.admin import dashboard
from events.admin import labels
from events.models import EventRecord

LATEST = 20  # events


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the work queues, and the latest events for an operator who may see events."""
    latest: list[EventRecord] = []
    if request.user.has_perm("events.view_eventrecord"):
        latest = list(EventRecord.objects.order_by("-number")[:LATEST])
    return dashboard.overview(request, context) | {
        "latest": [(event, labels.label(event.name)) for event in latest]
    }
