"""The audit entries, and the commands that start a reconciliation or a replay."""

from functools import partial

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from unfold.decorators import action

from config.admin.columns import badge, code
from config.admin.commands import Command
from config.admin.pages import ReadOnlyAdmin
from config.api.serializers import ExternalId, StrictSerializer
from events.contract.asyncapi import published
from events.models import AuditEntry
from events.operations import audit

PROGRESS = badge(
    "progress",
    {"finished": "success", "unfinished": "warning", "waiting": "info"},
    lambda entry: (
        "finished" if entry.finished_at else "unfinished" if entry.begun_at else "waiting"
    ),
)


class Selection(StrictSerializer):
    """Which events a replay sends, and to which queue."""

    queue = ExternalId(max_length=255)
    first = ExternalId(required=False)
    last = ExternalId(required=False)
    name = serializers.ChoiceField([cls.name for cls in published()], required=False)
    stream = ExternalId(required=False)
    organization = ExternalId(required=False)
    rate = serializers.IntegerField(min_value=1, max_value=9_999_999, required=False)
    dry_run = serializers.BooleanField(default=False)


def _replay(**body: object) -> AuditEntry:
    arguments = {key: value for key, value in body.items() if value}
    if "name" in arguments:
        arguments["names"] = [arguments.pop("name")]
    return audit.request("replay_events", arguments)


RECONCILE = Command(
    partial(audit.request, "reconcile_events", {}),
    label=_("Reconcile events"),
    done=_("The reconciliation was started."),
    description=_("A worker checks that the log is complete. The audit entry shows the result."),
)
REPLAY = Command(
    _replay,
    Selection,
    label=_("Replay events"),
    done=_("The replay was started."),
    description=_(
        "A worker sends published events to one queue again. The audit entry shows the result."
    ),
)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    organization_field = None  # it is about the log of all organizations
    icon = "history"
    actions_list = ("reconcile_events", "replay_events")
    list_display = ["at", "action", PROGRESS, "actor", "arguments", "summary"]
    fields = [
        ("action", "actor"),
        ("at", PROGRESS),
        ("begun_at", "finished_at"),
        code("arguments"),
        "outcome",
    ]

    @action(description=_("Reconcile events"), icon="fact_check", permissions=["command"])  # type: ignore[untyped-decorator]
    def reconcile_events(self, request: HttpRequest) -> HttpResponse:
        return self.ask(request, RECONCILE, "reconcile_events")

    @action(description=_("Replay events"), icon="replay", permissions=["command"])  # type: ignore[untyped-decorator]
    def replay_events(self, request: HttpRequest) -> HttpResponse:
        return self.ask(request, REPLAY, "replay_events")

    @admin.display(description=_("result"))
    def summary(self, entry: AuditEntry) -> str:
        return entry.result.partition("\n")[0]

    @admin.display(description=_("result"))
    def outcome(self, entry: AuditEntry) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', entry.result)
