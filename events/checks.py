"""What would lose events, said by `manage.py check` and whenever a command starts."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import connection

from events.schema import registry


@register
def embedded_broker(**kwargs: Any) -> list[CheckMessage]:
    """`memory://` has no confirms and ends with its process."""
    urls = (settings.CELERY_BROKER_URL, settings.EVENTS_BROKER_URL)
    if any(url.startswith("memory:") for url in urls) and connection.vendor == "postgresql":
        hint = "Set CELERY_BROKER_URL and EVENTS_BROKER_URL to amqp://…"
        return [Error("memory:// is for the embedded run only.", hint=hint, id="events.E001")]
    return []


@register
def consumer_queues(**kwargs: Any) -> list[CheckMessage]:
    """A queue bound to a misspelt name would stay empty for ever."""
    return [
        Error(f"Queue {queue} listens to {name}, which no context publishes.", id="events.E002")
        for config in settings.CONSUMER_CONFIG.values()
        for queue, names in config["queues"].items()
        for name in names
        if name not in registry or not registry[name].published
    ]
