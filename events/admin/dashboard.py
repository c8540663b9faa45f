"""The first page of the admin: the work queues and the latest events."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from config.admin import dashboard
from events.admin import labels
from events.models import EventRecord

LATEST = 20  # events


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the work queues, and the latest events for an operator who may see events."""
    page = admin.site.get_model_admin(EventRecord)
    rows = page.get_queryset(request).select_related(None).prefetch_related(None)
    latest = rows.order_by("-number")[:LATEST]
    return dashboard.overview(request, context) | {
        "latest": [(event, labels.label(event.name)) for event in latest]
    }
