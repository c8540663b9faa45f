"""System checks for settings that would lose events."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import connection

from events.schema import registry


@register
def embedded_broker(**kwargs: Any) -> list[CheckMessage]:
    """`memory://` has no confirms, and its messages end with the process."""
    urls = (settings.CELERY_BROKER_URL, settings.EVENTS_BROKER_URL)
    if any(url.startswith("memory:") for url in urls) and connection.vendor == "postgresql":
        hint = "Set CELERY_BROKER_URL and EVENTS_BROKER_URL to amqp://…"
        return [Error("memory:// is only for `make run`.", hint=hint, id="events.E001")]
    return []


@register
def consumer_queues(**kwargs: Any) -> list[CheckMessage]:
    """A queue that is bound to a misspelled event would stay empty."""
    return [
        Error(f"Queue {queue} is bound to {name}, which is no published event.", id="events.E002")
        for config in settings.CONSUMER_CONFIG.values()
        for queue, names in config["queues"].items()
        for name in names
        if name not in registry or not registry[name].published
    ]
