"""The declaration of an endpoint, which both the view and the OpenAPI document use."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from rest_framework.serializers import Serializer

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """See `endpoint`. The first status is the default of `ContextViewSet.answer`."""

    request: type[Serializer[Any]] | None = None
    response: type[Any] | None = None
    statuses: tuple[int, ...] = (200,)
    example: str | None = None


def endpoint(
    *,
    request: type[Serializer[Any]] | None = None,
    response: type[Any] | None = None,
    status: int | tuple[int, ...] = 200,
    example: str | None = None,
) -> Callable[[F], F]:
    """Declare what an action of a ContextViewSet accepts and returns.

    `request` parses the body, or the query of a GET. `response` is a serializer or a
    msgspec.Struct; the default is the view's serializer. `example` names the file that holds an
    example response, in `examples/` of the context that defines `response`; the default is the
    name of `response` in snake case.
    """
    statuses = (status,) if isinstance(status, int) else status

    def decorate(action: F) -> F:
        action.operation = Operation(request, response, statuses, example)  # type: ignore[attr-defined]
        return action

    return decorate


def operation_of(view: Any) -> Operation:
    """Return what the view's current action declares."""
    return getattr(getattr(view, view.action or "", None), "operation", Operation())


def example_response(response: type[Any], name: str | None) -> Any:
    """Return the example of a response: see `endpoint`."""
    context, _, _ = response.__module__.partition(".")
    name = name or re.sub(r"(?<!^)(?=[A-Z])", "_", response.__name__).lower()
    return json.loads((Path(settings.BASE_DIR) / context / f"examples/{name}.json").read_text())
