"""System checks for settings that would lose events."""

import difflib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connection

from events.delivery import broker
from events.schema import is_published, registry


@register("events")
def embedded_broker(**kwargs: Any) -> list[CheckMessage]:
    """`memory://` has no confirms, and its messages end with the process."""
    urls = (settings.CELERY_BROKER_URL, settings.EVENTS_BROKER_URL)
    if any(url.startswith("memory:") for url in urls) and connection.vendor == "postgresql":
        hint = "Set CELERY_BROKER_URL and EVENTS_BROKER_URL to amqp://…"
        return [Error("memory:// is only for `make run`.", hint=hint, id="events.E001")]
    return []


@register("events", deploy=True)
def shared_vhost(**kwargs: Any) -> list[CheckMessage]:
    """With one vhost, a right that is too wide lets a consumer run tasks."""
    tasks, events = map(urlsplit, (settings.CELERY_BROKER_URL, settings.EVENTS_BROKER_URL))
    if (tasks.hostname, tasks.port, tasks.path) == (events.hostname, events.port, events.path):
        hint = "Set EVENTS_BROKER_URL to a vhost of its own: `manage.py broker_definitions`."
        return [Warning("Tasks and events share a vhost.", hint=hint, id="events.W001")]
    return []


@register("events")
def consumer_queues(**kwargs: Any) -> list[CheckMessage]:
    """A queue that is bound to a misspelled event, or to another exchange, would stay empty."""
    errors: list[CheckMessage] = [
        Error(
            f"Queue {queue} is bound to {name}, which is no published event.",
            hint=_hint(setting, name),
            id="events.E002",
        )
        for setting, queues in broker.queues_by_setting()
        for queue, names in queues.items()
        for name in names
        if name not in registry or not is_published(registry[name])
    ]
    for queue in sorted(broker.bindings().keys() & broker.organization_queues().keys()):
        msg = f"Queue {queue} gets events of all organizations, and of one only."
        hint = "Give it another name in EVENTS_ORGANIZATION_QUEUES."
        errors.append(Error(msg, hint=hint, id="events.E004"))
    for config in settings.CONSUMER_CONFIG.values():
        if config["exchange"] != settings.EVENTS_EXCHANGE:
            msg = f"CONSUMER_CONFIG names the exchange {config['exchange']}."
            hint = f"Events are published to EVENTS_EXCHANGE, which is {settings.EVENTS_EXCHANGE}."
            errors.append(Error(msg, hint=hint, id="events.E003"))
    return errors


def _hint(setting: str, name: str) -> str:
    if name in registry:
        return f"It is internal. To publish it, move it from {setting} to EVENTS_CONSUMER_QUEUES."
    similar = difflib.get_close_matches(name, registry, n=1)
    suggestion = f"Did you mean {similar[0]}? " if similar else ""
    return f"{suggestion}Correct it in {setting}; docs/consumers.md lists all events."
