"""The admin page of a context's webhook inbox."""

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.admin.columns import badge
from config.admin.pages import ReadOnlyAdmin
from config.admin.queues import Queue, QueueFilter
from config.core.inbox import InboundWebhook


def state(webhook: InboundWebhook) -> str:
    """Return whether a webhook has been applied, is tried again, or has expired."""
    if webhook.applied_at:
        return "applied"
    return "waiting" if webhook.due_at else "expired"


STATE = badge("state", {"applied": "success", "waiting": "warning", "expired": "danger"}, state)


class InboundWebhookAdmin(ReadOnlyAdmin):
    """The webhooks that were received. The subject of those not applied is unknown."""

    organization_field = None  # before it is applied, its organization is unknown
    icon = "webhook"
    list_display = ["event_id", STATE, "subject", "source", "received_at", "attempts"]
    list_filter = [QueueFilter, "received_at"]
    search_fields = ["event_id", "subject"]
    search_help_text = _("The full id of an event, or of its subject")
    fields = [
        ("event_id", STATE),
        ("source", "subject"),
        ("received_at", "applied_at"),
        ("attempts", "due_at"),
        "payload",
    ]


def unmatched(title: str | Promise) -> tuple[Queue, ...]:
    """Return the queue of the webhooks whose subject is unknown."""
    return (Queue("unmatched", title, Q(applied_at=None), "unknown_document"),)
