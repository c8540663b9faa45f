"""The declaration of an endpoint, which both the view and the OpenAPI document use."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from rest_framework.decorators import api_view
from rest_framework.exceptions import APIException
from rest_framework.serializers import Serializer

from config.api.errors import ErrorExample
from config.core.exceptions import DomainError

F = TypeVar("F", bound=Callable[..., Any])
Errors = Sequence[type[DomainError | APIException] | ErrorExample]

declared: dict[str, ErrorExample] = {}  # the errors of all endpoints, by code


@dataclass(frozen=True)
class Operation:
    """See `endpoint`. The first status is the default of `ContextViewSet.answer`."""

    request: type[Serializer[Any]] | None = None
    response: type[Any] | None = None
    statuses: tuple[int, ...] = (200,)
    example: str | None = None
    errors: tuple[ErrorExample, ...] = ()
    operation_id: str | None = None
    scope: str = "write"
    tag: str | None = None
    verb: str | None = None
    blocked_status: str | None = None
    allowed_actions: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    body_example: Mapping[str, Any] | None = None


def endpoint(
    *,
    request: type[Serializer[Any]] | None = None,
    response: type[Any] | None = None,
    status: int | tuple[int, ...] = 200,
    example: str | None = None,
    errors: Errors = (),
    **names: Any,
) -> Callable[[F], F]:
    """Declare what an endpoint accepts and returns.

    `request` parses the body, or the query of a GET. `response` is a serializer or a
    msgspec.Struct; the default is the view's serializer. `example` names the file that holds an
    example response, in `examples/` of the context that defines `response`; the default is the
    name of `response` in snake case. `errors` are the exceptions that the service can raise.
    `names` are the other attributes of Operation: `operation_id`, where the default does not
    read as a verb with its object; `scope`, the required scope without its context; `tag`;
    `verb`, the aggregate's verb if the action has another name; `blocked_status` and
    `allowed_actions`, which the example of `invalid_transition` shows instead of a terminal
    status; `parameters`, a description of each path parameter; and `body_example`, an example
    of a body that no serializer parses.
    """
    statuses = (status,) if isinstance(status, int) else status
    examples = tuple(map(ErrorExample.of, errors))
    declared.update({error.code: error for error in examples})
    operation = Operation(request, response, statuses, example, examples, **names)

    def decorate(view: F) -> F:
        declaring: Any = getattr(view, "cls", view)
        declaring.operation = operation
        return view

    return decorate


def public(method: str, **declaration: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a function an endpoint that needs no token. See `endpoint` for `declaration`."""

    def decorate(function: Callable[..., Any]) -> Any:
        view = api_view([method])(function)
        view.cls.authentication_classes = view.cls.permission_classes = ()
        return endpoint(**declaration)(view)

    return decorate


def operation_of(view: Any) -> Operation:
    """Return what the view, or its current action, declares."""
    action = getattr(view, getattr(view, "action", None) or "", view)
    return getattr(action, "operation", Operation())


def example_response(response: type[Any], name: str | None) -> Any:
    """Return the example of a response: see `endpoint`."""
    context, _, _ = response.__module__.partition(".")
    name = name or re.sub(r"(?<!^)(?=[A-Z])", "_", response.__name__).lower()
    return json.loads((Path(settings.BASE_DIR) / context / f"examples/{name}.json").read_text())
