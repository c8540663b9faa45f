"""The actor and the request of the running code, in a context variable; every event records it."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who acts: a person, a service, `cli:<login name>`, or `system` for timers and reactions."""

    actor: str = SYSTEM
    organization_id: str | None = None
    request_id: str | None = None
    traceparent: str | None = None
    at: datetime | None = None  # in reactions: the moment of the event at the start of the chain


_current: ContextVar[RequestContext] = ContextVar("request_context", default=RequestContext())


def current() -> RequestContext:
    """Return the request context of the running code."""
    return _current.get()


def now() -> datetime:
    """Return the current time; in reactions, the moment of the event at the start of the chain."""
    return _current.get().at or timezone.now()


@contextmanager
def use(
    *,
    actor: str = SYSTEM,
    request_id: str | None = None,
    traceparent: str | None = None,
    at: datetime | None = None,
) -> Iterator[None]:
    """Set the actor and the request for the block."""
    token = _current.set(RequestContext(actor, None, request_id, traceparent, at))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def use_shell_user() -> Iterator[None]:
    """Set the login name of the process as the actor for the block."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        login = str(os.getuid())
    with use(actor=f"cli:{login}"):
        yield


def set_actor(actor: str, *, organization_id: str | None = None) -> None:
    """Replace the actor until the end of the enclosing `use` block."""
    now = _current.get()
    _current.set(replace(now, actor=actor, organization_id=organization_id or now.organization_id))
