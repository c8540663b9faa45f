"""Every refusal, as the OpenAPI document tells it: by status, and by code."""

import json
from collections.abc import Iterator, Mapping
from inspect import getdoc
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType
from rest_framework.exceptions import APIException

from config.api import problems
from config.core.exceptions import Conflict, DomainError


class Told(NamedTuple):
    """What a status means, and one refusal with it that a client is likely to meet."""

    status: int
    meaning: str
    code: str
    detail: str
    members: Mapping[str, Any] = MappingProxyType({})


_TOLD = (
    Told(
        400,
        "The request is not valid.",
        "invalid_request",
        "The request is not valid.",
        {"errors": {"dry_run": ["Unknown parameter."]}},
    ),
    Told(
        401,
        "There is no token, or none that is accepted.",
        "token_expired",
        "The token has expired.",
    ),
    Told(
        403,
        "The token lacks a scope, which `detail` names.",
        "missing_scope",
        "The token lacks the scope orders:write.",
    ),
    Told(
        404,
        "It does not exist, or it is another organization's.",
        "not_found",
        "There is nothing under this URL.",
    ),
    Told(
        406,
        "The route answers nothing that `Accept` names.",
        "not_acceptable",
        "Could not satisfy the request Accept header.",
    ),
    Told(
        409,
        "The state does not allow it.",
        "invalid_transition",
        "Cannot cancel order_01JCZ5B2QH8M3T6R9W1K4X7V0B: it is delivered.",
        {"allowed_actions": []},
    ),
    Told(
        413,
        "The body is too large.",
        "body_too_large",
        "The request body is longer than 1048576 bytes. The connection is closed.",
    ),
    Told(
        415,
        "The body is not JSON.",
        "unsupported_media_type",
        'Unsupported media type "text/plain" in request.',
    ),
    Told(
        422,
        "It makes no sense as things stand, or the key came with another body before.",
        "discount_too_large",
        "The items cost 50.00; the discount is more.",
    ),
    Told(
        429,
        "Too many requests: come back after `Retry-After` seconds.",
        "throttled",
        "Request was throttled. Expected available in 3 seconds.",
    ),
    Told(
        500,
        "Something went wrong; the log has the cause under the `request_id`.",
        "internal_error",
        "Something went wrong. The request_id helps to find it.",
    ),
    Told(
        503,
        "The identity provider or the database does not answer: come back later.",
        "identity_provider_unavailable",
        "The identity provider's keys cannot be fetched. Try again later.",
    ),
)
STATUSES = {told.status: told for told in _TOLD}

# Codes that a docstring or the status alone does not explain.
_CODES = {
    "invalid_request": "A field, parameter or header is wrong: `errors` says which, and why.",
    "malformed_json": "The body cannot be read as JSON.",
    "bad_request": "The request cannot be understood as HTTP for this host.",
    "not_authenticated": "There is no token.",
    "invalid_token": "The token is not genuine, or not for this service.",
    "token_expired": "The token was good once.",
    "not_found": "It does not exist, or it is another organization's.",
    "method_not_allowed": "The header `Allow` names those that are.",
    "bad_signature": "The sender has not signed it, or not lately.",
    "database_unavailable": "The database does not answer: come back later.",
}


class Problem(msgspec.Struct):
    """A problem document (RFC 9457). Programs rely on `code`; a kind of problem may add members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: Annotated[
        dict[str, list[str]] | UnsetType,
        Meta(description="With `invalid_request`: what is wrong, by path (`items[0].quantity`)."),
    ] = UNSET
    allowed_actions: Annotated[
        list[str] | UnsetType,
        Meta(description="With `invalid_transition`: what would be accepted."),
    ] = UNSET
    max_refundable: Annotated[
        str | UnsetType, Meta(description="With `refund_too_large`: the most that can go back.")
    ] = UNSET


def example(told: Told) -> dict[str, Any]:
    """Return the problem document of a refusal."""
    answer = problems.problem(told.status, told.code, told.detail, **told.members)
    document: dict[str, Any] = json.loads(answer.content)
    return document | {"request_id": "req_01JCZ5C7SX8B1D4G7K0N3R6T9V"}


def codes() -> dict[str, str]:
    """Return every code that may be answered, with what it means."""
    own = {
        cls.code: cls
        for cls in _below(DomainError)
        if cls is not Conflict and cls.__module__ != "events.operations.parked"  # only operators
    }
    own |= {
        cls.default_code: cls
        for cls in _below(APIException)
        if not cls.__module__.startswith("rest_framework")
    }
    reasons = {code: (getdoc(cls) or "").partition("\n")[0] for code, cls in own.items()}
    return dict(sorted(({told.code: told.meaning for told in _TOLD} | reasons | _CODES).items()))


def _below(base: type[Any]) -> Iterator[type[Any]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _below(cls)
