"""Reactions that become rows, so that a worker runs them later."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import pytest

from events import reactions
from events.models import EventRecord

Why = Literal["deferred", "fails before its effect", "fails after its effect"]


class InjectedError(Exception):
    """The failure of a reaction that a test asked for."""


def run_of(context: str, stream: str) -> None:
    """Run the pending reactions of one context, as if those of the others were delayed."""
    due = reactions.due
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reactions, "due", lambda: due().filter(context=context))
        reactions.run_pending(stream)


@contextmanager
def as_rows(why: Why = "deferred") -> Iterator[None]:
    """Turn every reaction to an event that is recorded in the block into a row.

    A reaction that fails does so once, in the transaction of its event.
    """

    def change(registered: reactions.Registered) -> reactions.Registered:
        if why == "deferred" or registered.deferred:
            return replace(registered, deferred=True)

        def handler(event: Any, about: EventRecord) -> None:
            if why == "fails after its effect":
                registered.handler(event, about)
            raise InjectedError

        return replace(registered, handler=handler)

    rows = {name: list(map(change, each)) for name, each in reactions._by_event.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reactions, "_by_event", defaultdict(list, rows))
        yield
