"""Who is acting, and in which request: ambient, so that no fact forgets to say it."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`actor` is a person or a service, `cli:` and a login name, or `system` for timers and
    reactions."""

    actor: str = SYSTEM
    organization_id: str | None = None
    request_id: str | None = None
    traceparent: str | None = None


_current: ContextVar[RequestContext] = ContextVar("request_context", default=RequestContext())


def current() -> RequestContext:
    """Return the origin of whatever this thread does now."""
    return _current.get()


@contextmanager
def use(
    *, actor: str = SYSTEM, request_id: str | None = None, traceparent: str | None = None
) -> Iterator[None]:
    """Everything in the block is done by this actor in this request."""
    token = _current.set(RequestContext(actor, None, request_id, traceparent))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def use_shell_user() -> Iterator[None]:
    """Everything in the block is done by whoever runs this process."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number only
        login = str(os.getuid())
    with use(actor=f"cli:{login}"):
        yield


def set_actor(actor: str, *, organization_id: str | None = None) -> None:
    """From here to the end of the enclosing `acting` block, `actor` is the one who acts."""
    now = _current.get()
    _current.set(replace(now, actor=actor, organization_id=organization_id or now.organization_id))
