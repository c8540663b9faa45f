"""The events of a stream for operators: what happened, who did it, when, and why."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.translation import gettext

from config.admin.columns import words
from config.admin.labels import label
from events.admin import labels
from events.models import EventRecord, Stream

MAX_EVENTS = 500  # on a page of the admin; the API's timeline has pages

CODED = ("reason", "status", "method")  # keys whose values are shown as words

ICONS = {
    "cart": "shopping_cart",
    "order": "receipt_long",
    "payment": "payments",
    "refund": "undo",
    "fulfillment": "inventory_2",
    "shipment": "local_shipping",
    "return": "assignment_return",
    "invoice": "description",
    "credit_note": "request_quote",
    "customer": "person_off",
    "event": "outbox",
}


class Entry(NamedTuple):
    """An event as the admin shows it."""

    event: EventRecord
    title: str
    details: list[tuple[str, str]]
    icon: str
    state: str


def of(stream: str) -> tuple[list[Entry], bool]:
    """Return the events of a stream, the latest first, and whether there are more."""
    events = EventRecord.objects.filter(stream=stream).select_related("publication", "outbox")
    found = [entry(event) for event in events.order_by("-number")[: MAX_EVENTS + 1]]
    return found[:MAX_EVENTS], len(found) > MAX_EVENTS


def removed_at(stream: str) -> datetime | None:
    """Return when the earlier events of a stream were removed from the log, if they were."""
    found = Stream.objects.filter(pk=stream).values_list("removed_at", flat=True)
    return found.first()


def entry(event: EventRecord) -> Entry:
    """Return an entry, also for an event that is no longer declared or has a damaged body."""
    return Entry(
        event=event,
        title=labels.label(event.name),
        details=list(_details(event)),
        icon=ICONS.get(event.name.partition(".")[0], "event_note"),
        state=state(event),
    )


def state(event: EventRecord) -> str:
    """Return `internal`, `published`, `pending`, `parked`, or `discarded`."""
    if event.sequence is None:
        return "internal"
    if hasattr(event, "publication"):
        return "published"
    if hasattr(event, "outbox"):
        return "parked" if event.outbox.parked_at else "pending"
    return "discarded"


def _details(event: EventRecord) -> Iterator[tuple[str, str]]:
    """Yield the payload without the values that the page already shows."""
    try:
        envelope = json.loads(event.body, parse_float=str)
        data, at = dict(envelope["data"]), envelope["timestamp"]
    except (ValueError, TypeError, KeyError):
        yield gettext("Body"), gettext("cannot be read")
        return
    shown = (None, "", at, event.stream, event.subject, event.organization_id)
    for key, value in data.items():
        if value not in shown:
            text = _plain(value)
            is_code = key.endswith(CODED) and re.fullmatch(r"[a-z]+(_[a-z]+)*", text)
            yield label(key), words(text) if is_code else text


def _plain(value: Any) -> str:
    match value:
        case bool():
            return gettext("yes") if value else gettext("no")
        case list():
            return ", ".join(_plain(each) for each in value) or gettext("none")
        case {"quantity": quantity, **rest}:
            return f"{quantity} × {' · '.join(_plain(each) for each in rest.values() if each)}"
        case dict():
            return " · ".join(_plain(each) for each in value.values() if each is not None)
    return str(value)
