"""OpenAPI: what all routes share is derived here; what is a route's own its action `takes`."""

from functools import partial
from typing import Any, cast

import msgspec
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, get_doc
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from config.api import idempotency, problems, refusals
from config.api.operations import Operation, example_response, operation_of
from config.api.pdf import Pdf
from config.api.permissions import scope_for
from config.api.serializers import PRINTABLE, Body, StrictSerializer
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
    header("X-Request-ID", description="Taken over into the answer, the log and the timeline."),
    header("traceparent", description="W3C trace context; goes out with the events."),
    header("X-Request-ID", description="Yours, or a new one.", required=True, response=True),
    header("WWW-Authenticate", description="`Bearer`.", required=True, response=[401]),
    header("Retry-After", description="In how many seconds.", response=[409, 429, 503]),
]
idempotency_key = partial(
    header,
    idempotency.HEADER,
    description="A POST with the same key is done once, and answered the same for 24 h.",
    pattern=idempotency.KEY.pattern,
)
REPLAYED = header(
    "Idempotent-Replayed",
    description="`true`: this is the answer to an earlier one.",
    response=[200, 201],
)


class Schema(AutoSchema):
    """One operation of a ContextViewSet."""

    view: Any

    @property
    def operation(self) -> Operation:
        return operation_of(self.view)

    def is_excluded(self) -> bool:
        return not isinstance(self.view, ContextViewSet)

    def get_operation_id(self) -> str:
        return f"{self.get_tags()[0]}_{self.view.action}"

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}List"

    def get_summary(self) -> str:
        names = self.view.queryset.model._meta
        if self._is_list_view():
            return f"List {names.verbose_name_plural}, newest first."
        if self.view.action == "retrieve":
            return f"Show one {names.verbose_name}."
        return get_doc(getattr(self.view, self.view.action))

    def get_description(self) -> str:  # type: ignore[override]
        return f"Needs the scope `{scope_for(self.view, self.method)}`."

    def get_request_serializer(self) -> Any:
        return self.operation.request

    def get_response_serializers(self) -> Any:
        if self._answers() is Pdf:
            return {(s, Pdf.media_type): OpenApiTypes.BINARY for s in self.operation.statuses}
        return dict.fromkeys(self.operation.statuses, self._answers())

    def _answers(self) -> Any:
        return self.operation.response or self.view.get_serializer_class()

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Paged and filtered as all rows of a context are; what `takes` a query is not."""
        return self.view.action == "list" and self.operation.request is None

    def _get_format_parameters(self) -> list[Any]:
        """What is answered is a matter of `Accept`: no query parameter has a say in it."""
        return []

    def get_override_parameters(self) -> list[Any]:
        if self.method == "GET":
            return [self.operation.request, *HEADERS] if self.operation.request else HEADERS
        if self.method != "POST":
            return HEADERS
        required = self.view.action in self.view.idempotency_key_required
        return [idempotency_key(required=required), REPLAYED, *HEADERS]

    def get_examples(self) -> list[OpenApiExample]:
        answers = self._answers()
        examples = [
            OpenApiExample(
                "response",
                Pdf.example
                if answers is Pdf
                else example_response(answers, self.operation.example),
                response_only=True,
                status_codes=[str(status) for status in self.operation.statuses],
                media_type=getattr(answers, "media_type", None),
            )
        ]
        if self.operation.request and self.method != "GET":
            body = OpenApiExample(
                "body", cast(Any, self.operation.request).example, request_only=True
            )
            examples.append(body)
        return examples

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status in sorted(self.errors()):
            told = refusals.STATUSES[status]
            shown = OpenApiExample(told.code, refusals.example(told), status_codes=[str(status)])
            document = OpenApiResponse(refusals.Problem, self._why(told), [shown])
            bodies[str(status)] = self._get_response_for_code(  # type: ignore[no-untyped-call]
                document, str(status), [problems.CONTENT_TYPE], direction
            )
        return bodies

    def _why(self, told: refusals.Told) -> str:
        match told.status:
            case 404 if self._is_list_view():
                return "The cursor is none of this list's."
            case 409 if self.method == "POST":
                return f"{told.meaning} Or the first request with this key is still at work."
        return told.meaning

    def errors(self) -> set[int]:
        """What the route may answer besides success."""
        found = {400, 401, 403, 406, 429, 500, 503}
        if self._answers() is Pdf:
            found |= {409}  # not made yet
        if self.method != "GET":
            found |= {409, 413, 415}
        if self.method == "POST":
            found |= {422}
        if self.view.detail or self._is_list_view():
            found |= {404}
        return found

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


class BearerScheme(OpenApiAuthenticationExtension):
    """The scopes are named as roles, which OpenAPI 3.1 allows with any scheme."""

    target_class = "config.api.authentication.BearerToken"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": (
                "Claims: `sub`, `organization_id`, `exp` and `scope`: separated by spaces, "
                f"`<context>:read`, `<context>:write`, `{DELEGATE}`, or `*` for all."
            ),
        }

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
        return {self.name: [scope_for(auto_schema.view, auto_schema.method)]}


class StructSchema(OpenApiSerializerExtension):
    """Answers that msgspec writes describe themselves."""

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
        return dict(own)


class PlainDecimalSchema(OpenApiSerializerFieldExtension):
    """Text, or in a request also a number."""

    target_class = "config.api.serializers.PlainDecimal"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        text = {"type": "string", "pattern": self.target.pattern}
        number = {"type": "number", "minimum": 0, "maximum": self.target.largest}
        return {"anyOf": [text, number]} if direction == "request" else text
