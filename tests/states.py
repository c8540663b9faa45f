"""Runs every command on an aggregate in one state."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from config.core.exceptions import DomainError
from events.models import EventRecord
from events.schema import registry
from tests.log import latest_number

REFUSED, UNCHANGED = "refused", "unchanged"  # an unchanged aggregate records no event
Outcome = str | tuple[str, list[str]]  # or the status after the command, or "same", and the events


@contextmanager
def undone() -> Iterator[None]:
    """Roll back the block, which is faster than creating the rows again."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def check_outcomes(
    aggregate: Any,
    commands: Mapping[str, Callable[[Any], object]],
    outcomes: Mapping[str, Outcome],
    subtests: pytest.Subtests,
) -> None:
    """Run each command alone, and compare the result with its outcome.

    The events are those of the aggregate's context, without those of the reactions to them.
    """
    rows, before = type(aggregate).objects, latest_number()
    status = rows.get(pk=aggregate.pk).status
    for name, command in commands.items():
        with subtests.test(name), undone():
            expected = outcomes[name]
            row = rows.get(pk=aggregate.pk)
            if expected == REFUSED:
                with pytest.raises(DomainError), transaction.atomic():
                    command(row)
            else:
                command(row)
            after, events = expected if isinstance(expected, tuple) else ("same", [])
            recorded = EventRecord.objects.filter(stream=row.stream, number__gt=before)
            names = recorded.order_by("number").values_list("name", flat=True)
            assert [name for name in names if is_of_its_context(aggregate, name)] == events
            assert rows.get(pk=row.pk).status == (status if after == "same" else after)


def is_of_its_context(aggregate: Any, name: str) -> bool:
    return registry[name].__module__ == aggregate.created_event.__module__


def outcomes(table: Mapping[str, Mapping[str, Outcome]], state: str) -> dict[str, Outcome]:
    """Return the outcome of each command in one state; a command without one is refused.

    `table` maps a command to `{state: outcome}`.
    """
    return {command: row.get(state, REFUSED) for command, row in table.items()}
