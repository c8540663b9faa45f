"""The OpenAPI document: the operations as the views and their `endpoint` declare them."""

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from inspect import getdoc
from typing import Any, cast

import msgspec
from django.conf import settings
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, get_doc
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.renderers import BaseRenderer

from config.api import errors, idempotency, problems
from config.api.errors import ErrorExample
from config.api.operations import Operation, example_response, operation_of
from config.api.serializers import PRINTABLE, Body, StrictSerializer, summary_of
from config.api.tokens import LONGEST_ID
from config.api.views import DELEGATE, ContextViewSet

ACTOR = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_ID,
    "pattern": PRINTABLE,
    "description": f"The person that the caller acts for; needs the scope `{DELEGATE}`.",
}


header = partial(OpenApiParameter, type=str, location="header")
HEADERS = [
    header("X-Request-ID", description="Copied to the response, the log and the timeline."),
    header("traceparent", description="W3C trace context; published with the events."),
]
idempotency_key = partial(
    header,
    idempotency.HEADER,
    description="A repeated request with the same key is executed once. For "
    f"{settings.IDEMPOTENCY_KEEP_HOURS} hours it returns the stored response.",
    pattern=idempotency.KEY.pattern,
)


class Schema(AutoSchema):
    """One operation: an action of a ContextViewSet, or a function with an `endpoint`."""

    view: Any

    @property
    def operation(self) -> Operation:
        return operation_of(self.view)

    @property
    def _has_token(self) -> bool:
        return isinstance(self.view, ContextViewSet)

    def is_excluded(self) -> bool:
        return not (self._has_token or self.operation.operation_id)

    def get_operation(self, *args: Any) -> dict[str, Any] | None:
        found: dict[str, Any] | None = super().get_operation(*args)
        return found and {"security": [], **found}

    def get_operation_id(self) -> str:
        if self.operation.operation_id:
            return self.operation.operation_id
        names = self.view.queryset.model._meta
        if self.view.action == "list":
            return f"list_{names.verbose_name_plural}"
        verb = "get" if self.view.action == "retrieve" else self.view.action
        return f"{verb}_{names.verbose_name}"

    def get_tags(self) -> list[str]:
        return [self.operation.tag] if self.operation.tag else super().get_tags()

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}List"

    def get_summary(self) -> str:
        return self._texts()[0]

    def get_description(self) -> str:  # type: ignore[override]
        _, text = self._texts()
        if self._has_token:
            text += f"\n\nNeeds the scope `{self.view.required_scope(self.method)}`."
        return text.strip()

    def _texts(self) -> tuple[str, str]:
        """Return the summary and the description, which are the view's docstring."""
        if self._is_list_view():
            return f"List {self.view.queryset.model._meta.verbose_name_plural}, newest first.", ""
        action = getattr(self.view, "action", None)
        if action == "retrieve":
            return f"Get one {self.view.queryset.model._meta.verbose_name}.", ""
        doc = get_doc(getattr(self.view, action) if action else type(self.view))
        summary, _, text = doc.partition("\n\n")
        return " ".join(summary.split()), text

    def get_request_serializer(self) -> Any:
        return self.operation.request or (None if self._has_token else OpenApiTypes.OBJECT)

    def get_response_serializers(self) -> Any:
        response, statuses = self._response, self.operation.statuses
        if _is_renderer(response):
            return {(status, response.media_type): response.openapi_type for status in statuses}
        return dict.fromkeys(statuses, response)

    @property
    def _response(self) -> Any:
        """The serializer or Struct of a successful response, or None for an empty one."""
        if self.operation.response or not self._has_token:
            return self.operation.response
        return summary_of(self._whole, self._lines) if self._lines else self._whole

    @property
    def _whole(self) -> Any:
        return self.view.serializer_class

    @property
    def _lines(self) -> tuple[str, ...]:
        """The fields that a list has only if the request expands them."""
        return getattr(self.view, "lines", ()) if self._is_list_view() else ()

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Whether this is a list with pages and filters; one with a query serializer is not."""
        return getattr(self.view, "action", None) == "list" and self.operation.request is None

    def _get_format_parameters(self) -> list[Any]:
        """`Accept` alone decides about the format."""
        return []

    def get_override_parameters(self) -> list[Any]:
        if not self._has_token:
            texts = self.operation.parameters.items()
            return [OpenApiParameter(name, str, "path", description=text) for name, text in texts]
        if self.method == "GET":
            return [self.operation.request, *HEADERS] if self.operation.request else HEADERS
        return [idempotency_key(required=self._needs_key), *HEADERS] if self._is_post else HEADERS

    @property
    def _is_post(self) -> bool:
        return self._has_token and self.method == "POST"

    @property
    def _needs_key(self) -> bool:
        return self._is_post and self.view.action in self.view.idempotency_key_required

    def get_examples(self) -> list[OpenApiExample]:
        examples = []
        if response := self._response:
            examples.append(
                OpenApiExample(
                    "response",
                    response.example if _is_renderer(response) else self._example(response),
                    response_only=True,
                    status_codes=[str(status) for status in self.operation.statuses],
                    media_type=getattr(response, "media_type", None),
                )
            )
        body = self.operation.body_example
        if self.operation.request and self.method != "GET":
            body = cast(Any, self.operation.request).example
        if body is not None:
            examples.append(OpenApiExample("body", body, request_only=True))
        return examples

    def _example(self, response: type[Any]) -> Any:
        if not self._lines:
            return example_response(response, self.operation.example)
        row = example_response(self._whole, None)
        return {name: value for name, value in row.items() if name not in self._lines}

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status, body in bodies.items():
            names = errors.RATE_LIMIT if self.view.throttle_classes else ()
            replayed = ("Idempotent-Replayed",) if self._is_post else ()
            body["headers"] = errors.headers(*names, *replayed)
            body["description"] = HTTPStatus(int(status)).phrase
        return dict(sorted(bodies.items())) | errors.responses(*self._errors())

    def _errors(self) -> Iterator[ErrorExample]:
        """Yield the errors that the operation can return."""
        names = ["NotAcceptable", "InternalServerError", "ServiceUnavailable"]
        if self.view.throttle_classes:
            names.append("TooManyRequests")
        if self._is_list_view():
            names.append("CursorNotFound")
        elif (self._has_token and self.view.detail) or self.operation.parameters:
            names.append("NotFound")
        if self.method != "GET":
            names += ["LengthRequired", "BodyTooLarge"]
        if self._has_token:
            names += ["Unauthorized", "Forbidden"]
            yield self._invalid_request()
            if self.method != "GET":
                names.append("UnsupportedMediaType")
                yield errors.MALFORMED
        if self._needs_key:
            yield ErrorExample.of(idempotency.KeyRequired)
        yield from self.operation.errors
        if self._is_post:
            yield from map(ErrorExample.of, (idempotency.InProgress, idempotency.KeyReused))
        yield from (errors.SHARED[name] for name in names)

    def _invalid_request(self) -> ErrorExample:
        """Return the error for a field or a parameter of this operation."""
        invalid = {"expand": ["Unknown parameter."]}
        if self._is_list_view():
            invalid = {"page_size": ["A valid integer is required."]}
        elif serializer := self.operation.request:
            invalid = {"actor": ["Not a valid string."]}
            first: dict[str, Any] = {name: [] for name in list(serializer().fields)[:1]}
            for data in ({}, first):
                judged = serializer(data=data, context={"is_json": True, "view": self.view})
                if not judged.is_valid():
                    invalid = dict(list(problems.by_path(judged.errors).items())[:1])
                    break
        return ErrorExample(
            400,
            "invalid_request",
            errors.CODES["invalid_request"],
            "The request is not valid.",
            {"errors": invalid},
        )

    def _get_serializer_name(
        self, serializer: Any, direction: Any, bypass_extensions: bool = False
    ) -> str:
        """Name a component like its class: no suffix tells requests from responses."""
        name = super()._get_serializer_name(serializer, "response", bypass_extensions)
        return str(name)

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        is_strict = isinstance(serializer, StrictSerializer)
        schema: dict[str, Any] = super()._map_basic_serializer(  # type: ignore[no-untyped-call]
            serializer, "request" if is_strict else direction
        )
        if is_strict:
            schema["additionalProperties"] = False
        if isinstance(serializer, Body):
            schema.setdefault("properties", {})["actor"] = ACTOR
        return schema


def _is_renderer(response: type[Any] | None) -> bool:
    return response is not None and issubclass(response, BaseRenderer)


class BearerScheme(OpenApiAuthenticationExtension):
    """Bearer tokens. Scopes are listed as roles, which OpenAPI 3.1 allows for every scheme."""

    target_class = "config.api.authentication.BearerToken"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": (
                "Claims: `sub`, `organization_id`, `exp` and `scope`, a list separated by spaces. "
                "Each operation names its scope, such as `orders:read` or `orders:cancel`. "
                "`orders:write` includes all scopes that change orders, and likewise for `carts`, "
                "`payments`, `fulfillment`, `shipments`, `returns` and `invoices`. Separate are "
                "`returns:override`, to refund more than the approved amount, "
                "`customers:export` and `customers:erase`, and "
                f"`{DELEGATE}`, to send an `actor`. `*` includes every scope."
            ),
        }

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
        return {self.name: [auto_schema.view.required_scope(auto_schema.method)]}


class StructSchema(OpenApiSerializerExtension):
    """The schema of a response that msgspec encodes."""

    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        _, schemas = msgspec.json.schema_components(
            [self.target], ref_template="#/components/schemas/{name}"
        )
        own = schemas.pop(self.target.__name__)
        for name, schema in schemas.items():
            component = ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, name)
            auto_schema.registry.register_on_missing(component)
        return {**own, "description": getdoc(self.target)}


class PlainDecimalSchema(OpenApiSerializerFieldExtension):
    """A string; a request may also send a number."""

    target_class = "config.api.serializers.PlainDecimal"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        text = {"type": "string", "pattern": self.target.pattern}
        number = {"type": "number", "minimum": 0, "maximum": self.target.largest}
        return {"anyOf": [text, number]} if direction == "request" else text
