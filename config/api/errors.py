"""The errors of the API as the OpenAPI document explains them."""

import json
from collections.abc import Mapping
from inspect import getdoc
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType
from rest_framework.exceptions import APIException

from config.api import problems
from config.api.bulkheads import Busy
from config.core.exceptions import DomainError


class ErrorExample(NamedTuple):
    """An error that an operation can return, with a `detail` that fits there.

    `members` are further members of the problem document. With `wait`, the response has a
    `Retry-After` header.
    """

    status: int
    code: str
    meaning: str
    detail: str
    members: Mapping[str, Any] = MappingProxyType({})
    wait: int | None = None

    @classmethod
    def of(cls, error: "type[DomainError | APIException] | ErrorExample") -> "ErrorExample":
        """Return the example of an exception: its docstring explains the code."""
        if isinstance(error, ErrorExample):
            return error
        meaning = " ".join((getdoc(error) or "").partition("\n\n")[0].split())
        if issubclass(error, DomainError):
            detail, members = error.example or meaning, error.example_details
            return cls(problems.status_of(error), error.code, meaning, detail, members, error.wait)
        return cls(error.status_code, error.default_code, meaning, str(error.default_detail))

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document."""
        response = problems.problem(self.status, self.code, self.detail, **self.members)
        document: dict[str, Any] = json.loads(response.content)
        return document | {"request_id": "req_01JCZ5C7SX8B1D4G7K0N3R6T9V"}


class Problem(msgspec.Struct):
    """An error (RFC 9457, Problem Details). Clients decide by `code`; `detail` is for people."""

    type: Annotated[str, Meta(description="The URL of the explanation of `code`.")]
    title: str
    status: int
    detail: Annotated[str, Meta(description="What is wrong, and what to do.")]
    code: str
    request_id: Annotated[str, Meta(description="The `X-Request-ID` of the response.")]
    errors: Annotated[
        dict[str, list[str]] | UnsetType,
        Meta(description="With `invalid_request`: the errors by path (`items[0].quantity`)."),
    ] = UNSET
    allowed_actions: Annotated[
        list[str] | UnsetType,
        Meta(
            description="With `invalid_transition` and `order_cancelled`: the actions that are "
            "possible now."
        ),
    ] = UNSET
    max_refundable: Annotated[
        str | UnsetType,
        Meta(
            description="With `refund_too_large` and `refund_exceeds_part`: the largest amount "
            "that can be refunded."
        ),
    ] = UNSET
    max_payable: Annotated[
        str | UnsetType,
        Meta(description="With `payment_too_large`: the largest amount that can be paid."),
    ] = UNSET
    max_capturable: Annotated[
        str | UnsetType,
        Meta(description="With `capture_too_large`: the amount that is authorized."),
    ] = UNSET
    total: Annotated[
        str | UnsetType,
        Meta(description="With `total_differs`: the total that the order would have."),
    ] = UNSET
    order_id: Annotated[
        str | UnsetType,
        Meta(description="With `already_checked_out`: the order that the cart became."),
    ] = UNSET
    gateway_code: Annotated[
        str | UnsetType,
        Meta(description="With `refused_by_gateway`: the gateway's own code of the reason."),
    ] = UNSET


# Responses that mean the same in every operation, by the name of their component.
SHARED = {
    "Unauthorized": ErrorExample(
        401,
        "token_expired",
        "The bearer token is missing, invalid or expired.",
        "The token has expired.",
    ),
    "Forbidden": ErrorExample(
        403,
        "missing_scope",
        "The token lacks a scope; `detail` names it.",
        "The token lacks the scope orders:write.",
    ),
    "NotFound": ErrorExample(
        404,
        "not_found",
        "The resource does not exist, or it belongs to another organization.",
        "Resource not found.",
    ),
    "CursorNotFound": ErrorExample(
        404, "not_found", "The `cursor` does not belong to this list.", "Invalid cursor"
    ),
    "NotAcceptable": ErrorExample(
        406,
        "not_acceptable",
        "The operation has no representation that the `Accept` header allows.",
        "Could not satisfy the request Accept header.",
    ),
    "LengthRequired": ErrorExample(
        411,
        "length_required",
        "The server cannot read a request body without a `Content-Length` header.",
        "Send the body with a Content-Length header.",
    ),
    "BodyTooLarge": ErrorExample(
        413,
        "body_too_large",
        "The request body is too large.",
        "The request body is longer than 1048576 bytes. The connection is closed.",
    ),
    "UnsupportedMediaType": ErrorExample(
        415,
        "unsupported_media_type",
        "The `Content-Type` of the request body is not `application/json`, or its charset is not "
        "UTF-8.",
        'Unsupported media type "text/plain" in request.',
    ),
    "TooManyRequests": ErrorExample(
        429,
        "throttled",
        "Too many requests: retry after `Retry-After` seconds.",
        "Request was throttled. Expected available in 3 seconds.",
    ),
    "InternalServerError": ErrorExample(
        500,
        "internal_error",
        "An unexpected error. The service logs the cause with the `request_id`.",
        "Something went wrong. Give the request_id when you report it.",
    ),
    "ServiceUnavailable": ErrorExample(
        503,
        "database_unavailable",
        "The database or the identity provider does not respond, or the service is busy: retry "
        "after `Retry-After` seconds.",
        "The database does not respond. Try again later.",
    ),
}
HEADERS = {
    "X-Request-ID": "The `X-Request-ID` of the request, or a new id.",
    "Retry-After": "Seconds to wait before the next attempt.",
    "RateLimit-Policy": "How many requests you may send in how many seconds: "
    '`"default";q=600;w=60`. Absent where there is no limit.',
    "RateLimit": "How many requests are left (`r`), and the seconds until the window ends (`t`): "
    '`"default";r=599;t=60`. Absent where there is no limit.',
    "WWW-Authenticate": "`Bearer`.",
    "Idempotent-Replayed": "`true` if this is the stored response to an earlier request.",
}
RATE_LIMIT = ("RateLimit-Policy", "RateLimit")
MALFORMED = ErrorExample(
    400,
    "malformed_json",
    "The body is not JSON, or an object in it has the same key twice.",
    "JSON parse error - the key 'reason' is repeated in one object",
)
# Codes of the framework, and codes that several errors share.
CODES = {
    "not_found": SHARED["NotFound"].meaning,
    "invalid_request": "A field, parameter or header is invalid: `errors` says which, and why.",
    "malformed_json": MALFORMED.meaning,
    "bad_request": "The request cannot be understood as HTTP for this host, or its body is "
    "incomplete.",
    "not_authenticated": "The request has no bearer token.",
    "invalid_token": "The bearer token is not valid for this service.",
    "token_expired": "The bearer token has expired.",
    "identity_provider_unavailable": "The identity provider does not respond: retry after "
    "`Retry-After` seconds.",
    "database_unavailable": "The database does not respond: retry after `Retry-After` seconds.",
    "busy": ErrorExample.of(Busy).meaning,
    "service_unavailable": "The service does not respond, or not in time: retry after "
    "`Retry-After` seconds, with the same `Idempotency-Key`.",
    "method_not_allowed": "The URL does not support this method; the header `Allow` names those "
    "that it supports.",
}


def problem_schema() -> dict[str, Any]:
    """Return the schema of a problem document."""
    _, schemas = msgspec.json.schema_components([Problem])
    return dict(schemas["Problem"])


def headers(*names: str) -> dict[str, Any]:
    """Return references to header components; every response has `X-Request-ID`."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *names)}


def response(*errors: ErrorExample) -> dict[str, Any]:
    """Return the response of one status in OpenAPI, with an example of each of its errors."""
    status = errors[0].status
    names = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
    if any(error.wait for error in errors):
        names[status] = ["Retry-After"]
    meanings = [f"- `{error.code}`: {error.meaning}" for error in errors]
    return {
        "description": errors[0].meaning if len(errors) == 1 else "\n".join(meanings),
        "headers": headers(*RATE_LIMIT, *names.get(status, [])),
        "content": {
            problems.CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {error.code: {"value": error.problem} for error in errors},
            }
        },
    }


def responses(*errors: ErrorExample) -> dict[str, Any]:
    """Return error responses by status; one that is shared is a reference to its component."""
    by_status: dict[int, list[ErrorExample]] = {}
    for error in {error.code: error for error in errors}.values():
        by_status.setdefault(error.status, []).append(error)
    found = {}
    for status, group in sorted(by_status.items()):
        names = [name for name, shared in SHARED.items() if [shared] == group]
        found[str(status)] = (
            {"$ref": f"#/components/responses/{names[0]}"} if names else response(*group)
        )
    return found
