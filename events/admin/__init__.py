"""The log, and the pending messages and reactions, for operators."""

from typing import TYPE_CHECKING, Any

import msgspec
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.admin.columns import badge
from config.admin.commands import Command
from config.admin.pages import ReadOnlyAdmin
from config.admin.queues import Queue, QueueFilter
from config.api.serializers import StrictSerializer
from events import schema
from events.admin import (
    audit,  # noqa: F401  (it registers itself)
    labels,
    timeline,
)
from events.admin.aggregates import stream
from events.models import EventRecord, Outbox, Reaction
from events.operations import parked, statistics

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

STATE = badge(
    "state",
    {"published": "success", "pending": "warning", "parked": "danger", "discarded": "danger"},
    timeline.state,
)


class NameFilter(admin.SimpleListFilter):
    """The declared names: a query for the names in the log would read all of it."""

    title = _("name")
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(schema.registry)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(name=self.value()) if self.value() else queryset


@admin.register(EventRecord)
class EventAdmin(ReadOnlyAdmin):
    icon = "event_note"
    list_display = ["occurred_at", "name", STATE, stream, "sequence", "organization_id", "actor"]
    list_display_links = ["occurred_at", "name"]
    list_filter = [NameFilter]
    search_fields = ["id", "stream"]
    search_help_text = _("The full id of an event, order or cart")
    ordering = ["-number"]
    fields = [
        ("name", STATE),
        "label",
        ("id", "organization_id"),
        (stream, "sequence"),
        ("occurred_at", "recorded_at"),
        ("published_at", "subject"),
        ("actor", "request_id"),
        ("traceparent", "version"),
        "pending",
        "envelope",
    ]

    def rows(self, request: HttpRequest) -> QuerySet[EventRecord]:
        rows = EventRecord.objects.select_related("publication", "outbox")
        return rows.prefetch_related("reactions")

    @admin.display(description=_("meaning"))
    def label(self, event: EventRecord) -> str:
        return labels.label(event.name)

    @admin.display(description=_("published at"))
    def published_at(self, event: EventRecord) -> Any:
        if not hasattr(event, "publication"):
            return None
        return date_format(event.publication.published_at, "DATETIME_FORMAT")

    @admin.display(description=_("pending"))
    def pending(self, event: EventRecord) -> str:
        message = ["message to the broker"] if hasattr(event, "outbox") else []
        reactions = [row.reaction for row in event.reactions.all()]
        return ", ".join([*message, *reactions]) or "nothing"

    @admin.display(description=_("envelope"))
    def envelope(self, event: EventRecord) -> SafeString:
        text = msgspec.json.format(event.body.encode(), indent=2).decode()
        return format_html('<pre class="console-code">{}</pre>', text)


WORK_STATE = badge(
    "state",
    {"parked": "danger", "waiting": "warning"},
    lambda row: "parked" if row.parked_at else "waiting" if row.not_before else "due",
)


class Discard(StrictSerializer):
    """Why the message is not sent, or the reaction does not run."""

    reason = serializers.CharField(max_length=500)


def commands(*, retry: "StrPromise", discard: "StrPromise") -> dict[str, Command]:
    """Return the commands of parked work, with their descriptions."""
    return {
        "retry": Command(
            parked.retry,
            label=_("Retry"),
            done=_("{row} is retried."),
            description=retry,
            icon="replay",
            bulk=True,
        ),
        "discard": Command(
            parked.discard,
            Discard,
            label=_("Discard"),
            done=_("{row} was discarded."),
            description=discard,
            icon="delete",
            ends=True,
        ),
    }


class PendingWorkAdmin(ReadOnlyAdmin):
    """Work that is retried until it succeeds. A parked row blocks the later ones of its stream."""

    organization_field = "event__organization_id"
    list_filter = [QueueFilter]
    list_select_related = ["event"]
    search_fields = ["stream", "event__id"]
    search_help_text = _("The full id of an event, order or cart")

    def allowed(self, row: Outbox | Reaction) -> list[str]:
        is_delayed = row.parked_at or row.not_before
        return [*(["retry"] if is_delayed else []), *(["discard"] if row.parked_at else [])]

    def after(self, row: Outbox | Reaction) -> str:
        return self._url("changelist")

    @admin.display(description=_("event"), ordering="event")
    def event_name(self, row: Outbox | Reaction) -> str:
        return row.event.name

    @admin.display(description=_("event"))
    def event_link(self, row: Outbox | Reaction) -> SafeString:
        url = reverse("admin:events_eventrecord_change", args=[row.event_id])
        return format_html('<a href="{}" class="console-link">{}</a>', url, row.event)

    @admin.display(description=_("last error"))
    def error(self, row: Outbox | Reaction) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', row.last_error or "none")


@admin.register(Outbox)
class OutboxAdmin(PendingWorkAdmin):
    icon = "outbox"
    queues = (Queue("parked", _("Parked messages"), statistics.PARKED, "outbox"),)
    commands = commands(
        retry=_("Send the message now. If the broker refuses it again, it is parked again."),
        discard=_(
            "Never send the message: consumers see a gap in the sequence of its order or cart. "
            "The log keeps the event. This cannot be undone."
        ),
    )
    list_display = ["event_name", WORK_STATE, stream, "attempts", "parked_at", "last_error"]
    ordering = ["event_id"]
    fields = [
        ("event_link", WORK_STATE),
        (stream, "shard"),
        ("attempts", "not_before"),
        "parked_at",
        "error",
    ]


@admin.register(Reaction)
class ReactionAdmin(PendingWorkAdmin):
    icon = "bolt"
    queues = (Queue("parked", _("Parked reactions"), statistics.PARKED, "bolt"),)
    commands = commands(
        retry=_("Run the reaction now. If it fails again, it is parked again."),
        discard=_("Never run the reaction: achieve its effect by hand. This cannot be undone."),
    )
    list_display = [
        "reaction",
        WORK_STATE,
        "event_name",
        stream,
        "attempts",
        "parked_at",
        "last_error",
    ]
    ordering = ["id"]
    fields = [
        ("reaction", WORK_STATE),
        ("event_link", stream),
        ("attempts", "not_before"),
        "parked_at",
        "error",
    ]
