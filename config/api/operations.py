"""The declaration of an endpoint, which both the view and the OpenAPI document use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rest_framework.serializers import Serializer

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """See `endpoint`. The first status is the default of `ContextViewSet.answer`."""

    request: type[Serializer[Any]] | None = None
    response: type[Any] | None = None
    statuses: tuple[int, ...] = (200,)
    example: Mapping[str, Any] | None = None


def endpoint(
    *,
    request: type[Serializer[Any]] | None = None,
    response: type[Any] | None = None,
    status: int | tuple[int, ...] = 200,
    example: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Declare what an action of a ContextViewSet accepts and returns.

    `request` parses the body, or the query of a GET. `response` is a serializer or a
    msgspec.Struct; the default is the view's serializer. Both have an `example`; `example` here
    holds the members of the response that differ from it.
    """
    statuses = (status,) if isinstance(status, int) else status

    def decorate(action: F) -> F:
        action.operation = Operation(request, response, statuses, example)  # type: ignore[attr-defined]
        return action

    return decorate


def operation_of(view: Any) -> Operation:
    """Return what the view's current action declares."""
    return getattr(getattr(view, view.action or "", None), "operation", Operation())
