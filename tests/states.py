"""Runs every command on an aggregate in one state."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from config.core.exceptions import DomainError
from events.models import EventRecord
from tests.facts import mark

NO, STANDS = "refused", "stands already"
Answer = str | tuple[str, list[str]]  # or the status after it, or "same", and what happens


@contextmanager
def undone() -> Iterator[None]:
    """Roll back the block, which is faster than creating the rows again."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def ask(
    aggregate: Any,
    commands: Mapping[str, Callable[[Any], object]],
    answers: Mapping[str, Answer],
    subtests: pytest.Subtests,
) -> None:
    """Run each command alone, and compare the result with `answers`."""
    rows, before = type(aggregate).objects, mark()
    status = rows.get(pk=aggregate.pk).status
    for name, command in commands.items():
        with subtests.test(name), undone():
            expected = answers[name]
            row = rows.get(pk=aggregate.pk)
            if expected == NO:
                with pytest.raises(DomainError), transaction.atomic():
                    command(row)
            else:
                command(row)
            after, events = expected if isinstance(expected, tuple) else ("same", [])
            told = EventRecord.objects.filter(stream=row.stream, number__gt=before).order_by(
                "number"
            )
            assert [event.name for event in told] == events
            assert rows.get(pk=row.pk).status == (status if after == "same" else after)


def column(table: Mapping[str, list[Answer]], number: int) -> dict[str, Answer]:
    """Return the answers in one state."""
    return {command: answers[number] for command, answers in table.items()}


def outcomes(table: Mapping[str, Mapping[str, Answer]], state: str) -> dict[str, Answer]:
    """Return the outcome of each command in one state; a command without one is refused.

    `table` maps a command to `{state: outcome}`.
    """
    return {command: row.get(state, NO) for command, row in table.items()}
