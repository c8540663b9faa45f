"""Users of RabbitMQ, each with the rights that it needs and no others."""

import base64
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import kombu
from django.conf import settings

from events.delivery import broker
from events.delivery.broker import routing_key

NOTHING = "^$"
DEFAULT_EXCHANGE = "amq.default"  # as RabbitMQ calls it in permissions


def definitions(passwords: Path, *, may_declare: bool = False) -> dict[str, Any]:
    """Return the vhosts, users and permissions, in the format that RabbitMQ imports.

    Web and scheduler share the user `service`, and the workers `worker`. Each consumer has a user
    that is named like its queue, and can only read it. With `may_declare`, it can also declare its
    queue and bind it to its events, unless the queue gets those of one organization.

    `passwords` is a directory with a file for each user; missing files are created.
    """
    rights = [*_rights_of_the_service(), *_rights_of_workers()]
    topics = []
    vhost = _vhost(settings.EVENTS_BROKER_URL)
    for queue, events in broker.bindings().items():
        if may_declare:
            rights.append((queue, vhost, [queue], [queue], [queue, settings.EVENTS_EXCHANGE]))
            keys = [key for event in events for key in (event, routing_key(event))]
            topics.append(
                {
                    "user": queue,
                    "vhost": vhost,
                    "exchange": settings.EVENTS_EXCHANGE,
                    "write": NOTHING,
                    "read": _pattern(keys),
                }
            )
        else:
            rights.append((queue, vhost, [], [], [queue]))
    # A consumer that could bind such a queue could bind it to another organization.
    rights += [(queue, vhost, [], [], [queue]) for queue in broker.organization_queues()]
    return {
        "vhosts": [{"name": name} for name in dict.fromkeys(vhost for _, vhost, *_ in rights)],
        "users": [_user(name, passwords) for name in dict.fromkeys(user for user, *_ in rights)],
        "permissions": _permissions(rights),
        "topic_permissions": topics,
    }


Rights = tuple[str, str, list[str], list[str], list[str]]  # user, vhost, configure, write, read


def _rights_of_the_service() -> Iterable[Rights]:
    """Yield the rights to enqueue tasks. Binding their queues reads the exchange."""
    user = f"{settings.EVENTS_QUEUE_PREFIX}service"
    exchange, queues = settings.CELERY_TASK_DEFAULT_EXCHANGE, list(settings.CELERY_TASK_QUEUES)
    names = [exchange, *queues]
    yield user, _vhost(settings.CELERY_BROKER_URL), names, [*names, DEFAULT_EXCHANGE], [exchange]


def _rights_of_workers() -> Iterable[Rights]:
    """Yield the rights to run tasks, to declare the consumers' queues, and to publish.

    Declaring a queue with dead letters reads it, a replay publishes to a queue directly, and
    `tail_events` has a queue of its own.
    """
    user = f"{settings.EVENTS_QUEUE_PREFIX}worker"
    tasks = [settings.CELERY_TASK_DEFAULT_EXCHANGE, *settings.CELERY_TASK_QUEUES]
    yield user, _vhost(settings.CELERY_BROKER_URL), tasks, [*tasks, DEFAULT_EXCHANGE], tasks
    names = [settings.EVENTS_EXCHANGE, broker.dead_letters().name]
    names += [broker.selection(queue).name for queue in broker.organization_queues()]
    names += [queue.name for queue in broker.queues()]
    names += [broker.tail_name("*")]
    yield user, _vhost(settings.EVENTS_BROKER_URL), names, [*names, DEFAULT_EXCHANGE], names


def _vhost(url: str) -> str:
    return kombu.Connection(url).virtual_host or "/"


def _permissions(rights: Iterable[Rights]) -> list[dict[str, str]]:
    """Return one entry for each user and vhost, also where tasks and events share one."""
    names: defaultdict[tuple[str, str], list[list[str]]] = defaultdict(lambda: [[], [], []])
    for user, vhost, *each in rights:
        for all_names, more in zip(names[user, vhost], each, strict=True):
            all_names += more
    return [
        {
            "user": user,
            "vhost": vhost,
            "configure": _pattern(configure),
            "write": _pattern(write),
            "read": _pattern(read),
        }
        for (user, vhost), (configure, write, read) in names.items()
    ]


def _pattern(names: Iterable[str]) -> str:
    """Return a regular expression of exactly these names; in them, `*` is any text."""
    exact = "|".join(re.escape(name).replace(r"\*", ".*") for name in dict.fromkeys(names))
    return f"^({exact})$" if exact else NOTHING


def _user(name: str, passwords: Path) -> dict[str, Any]:
    salt = secrets.token_bytes(4)
    digest = sha256(salt + _password(name, passwords).encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }


def _password(user: str, passwords: Path) -> str:
    file = passwords / user
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text().strip()
