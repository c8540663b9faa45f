"""Reads the event log."""

import json
from typing import Any

from events.models import EventRecord


def event_names(stream: Any, *, after: int = 0) -> list[str]:
    """Return the names of the events of an order or a cart, including internal ones."""
    events = EventRecord.objects.filter(stream=stream.id, number__gt=after).order_by("number")
    return list(events.values_list("name", flat=True))


def latest_number() -> int:
    """Return the number of the latest event, or 0."""
    last = EventRecord.objects.order_by("-number").first()
    return last.number if last else 0


def event_data(stream: Any, name: str) -> dict[str, Any]:
    """Return the data of the latest event of that name, its numbers as text."""
    event = EventRecord.objects.filter(stream=stream.id, name=name).latest("number")
    return json.loads(event.body, parse_float=str)["data"]
