"""What an action takes and answers, said once: the view works by it and the schema shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rest_framework.serializers import Serializer

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """`takes` is the body's serializer, or a GET's query's; `answers` None is the view's own."""

    takes: Any = None
    answers: Any = None
    statuses: tuple[int, ...] = (200,)
    shows: Mapping[str, Any] | None = None


def takes(
    serializer: type[Serializer[Any]] | None,
    *statuses: int,
    answers: type[Any] | None = None,
    shows: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Declare an action: `body()` or `query()` parse what it takes, `answer()` has its status.

    `answers` is a serializer or a msgspec.Struct. Both sides have an `example` for the schema;
    `shows` is what differs from it in the answer.
    """

    def decorate(action: F) -> F:
        action.operation = Operation(serializer, answers, statuses or (200,), shows)  # type: ignore[attr-defined]
        return action

    return decorate


def operation_of(view: Any) -> Operation:
    """Return what the view's current action declares."""
    return getattr(getattr(view, view.action or "", None), "operation", Operation())
