"""Work on the log as a whole: what was done, and starting more of it."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from rest_framework import serializers

from config.admin.columns import badge
from config.admin.commands import Command
from config.admin.pages import ReadOnlyAdmin
from config.api.serializers import ExternalId, StrictSerializer
from events import audit
from events.asyncapi import published
from events.models import AuditEntry

PROGRESS = badge(
    "progress",
    {"finished": "success", "unfinished": "warning", "waiting": "info"},
    lambda entry: (
        "finished" if entry.finished_at else "unfinished" if entry.begun_at else "waiting"
    ),
)


class Wanted(StrictSerializer):
    """What a worker is to do; the rest is what a replay asks for."""

    action = serializers.ChoiceField(["reconcile_events", "replay_events"])
    queue = ExternalId(max_length=255, required=False, help_text="Its whole name, prefix and all.")
    first = ExternalId(
        required=False,
        help_text="A position, or a time of publication: 2025-11-23T15:00:00Z. Blank: the first.",
    )
    last = ExternalId(required=False, help_text="The same; it is sent too. Blank: the last so far.")
    name = serializers.ChoiceField(
        [cls.name for cls in published()], required=False, help_text="Blank: every event."
    )
    stream = ExternalId(required=False, help_text="The id of an order or a cart.")
    organization = ExternalId(required=False)
    rate = serializers.IntegerField(
        min_value=1, max_value=9_999_999, required=False, help_text="Messages a second at most."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Only say what would be sent.")

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if values["action"] == "replay_events":
            if "queue" not in values:
                raise serializers.ValidationError({"queue": "To which queue is it sent?"})
        elif any(values[name] for name in values if name != "action"):
            raise serializers.ValidationError("To reconcile, leave the other fields blank.")
        return values


def _want(body: dict[str, Any]) -> AuditEntry:
    action, arguments = body.pop("action"), {key: value for key, value in body.items() if value}
    if "name" in arguments:
        arguments["names"] = [arguments.pop("name")]
    return audit.want(action, arguments)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    icon = "history"
    adds = Command(lambda row, body: _want(body), Wanted)
    list_display = ["at", "action", PROGRESS, "actor", "arguments", "summary"]
    ordering = ["-id"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("action", "actor"),
                    ("at", PROGRESS),
                    ("begun_at", "finished_at"),
                    "arguments",
                    "outcome",
                ]
            },
        )
    ]

    def meaning(self, name: str) -> str:
        return (
            "A worker proves that the log is complete, or sends what was published again to one "
            "queue. What came of it is told in the audit entry."
        )

    @admin.display(description="result")
    def summary(self, entry: AuditEntry) -> str:
        return entry.result.partition("\n")[0]

    @admin.display(description="result")
    def outcome(self, entry: AuditEntry) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', entry.result)
