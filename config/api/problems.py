"""Error responses: problem documents (RFC 9457) with a stable `code` for clients."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core import exceptions as django_errors
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.log import log_response
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions as rest_errors
from rest_framework.request import Request
from rest_framework.serializers import as_serializer_error
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from config.core import request_context
from config.core.exceptions import BadRequest, Conflict, DomainError, Missing
from config.core.locks import is_timeout

CONTENT_TYPE = "application/problem+json"


def problem(
    status: int,
    code: str,
    detail: str,
    /,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JsonResponse:
    """Return a problem document. `members` are further members of this kind of problem."""
    return JsonResponse(
        members
        | {
            "type": f"{settings.PUBLIC_URL}/api/problems#{code}",
            "title": code.replace("_", " ").capitalize(),
            "status": status,
            "detail": detail,
            "code": code,
            "request_id": request_context.current().request_id,
        },
        status=status,
        headers=headers,
        content_type=CONTENT_TYPE,
    )


def handle(exc: Exception, context: Mapping[str, Any]) -> JsonResponse:
    """Return the problem of an exception. An unexpected one is logged and reveals nothing."""
    set_rollback()
    match exc:
        case DomainError():
            status = status_of(type(exc))
            return problem(status, exc.code, str(exc), headers=_headers(exc), **exc.details)
        case rest_errors.ValidationError():
            return _invalid(exc.detail)
        case django_errors.ValidationError():
            return _invalid(as_serializer_error(exc))
        case rest_errors.ParseError():
            return problem(400, "malformed_json", str(exc.detail))
        case rest_errors.APIException():
            code = getattr(exc.detail, "code", exc.default_code)
            return problem(exc.status_code, code, str(exc.detail), headers=_headers(exc))
        case Http404():
            return not_found(context["request"])
        case django_errors.PermissionDenied():
            return problem(403, "permission_denied", "This is not allowed.")
        case django_errors.RequestDataTooBig():
            return body_too_large()
        case django_errors.SuspiciousOperation():
            return bad_request()
        case InterfaceError() | OperationalError() if response := database_problem(exc):
            return response
    return _unexpected(exc, context["request"])


def status_of(error: type[DomainError]) -> int:
    """Return the HTTP status of a domain error."""
    statuses = {BadRequest: 400, Missing: 404, Conflict: 409}
    return next((statuses[base] for base in statuses if issubclass(error, base)), 422)


def database_problem(error: Exception) -> JsonResponse | None:
    """Return 503 if the database is unreachable or took too long; None if it refused a query.

    With 503, the transaction was rolled back and the request can be repeated.
    """
    if is_timeout(error):
        return busy("The database took too long. Try again in a moment.")
    if connection.connection is None or not connection.is_usable():
        return database_unavailable()
    return None


def busy(detail: str) -> JsonResponse:
    """Return 503: nothing was done, and the request can be repeated."""
    return problem(503, "busy", detail, headers={"Retry-After": "1"})


def database_unavailable() -> JsonResponse:
    """Return 503: the database is unreachable."""
    detail = "The database does not respond. Try again later."
    return problem(503, "database_unavailable", detail, headers={"Retry-After": "5"})


def body_too_large() -> JsonResponse:
    """Return 413: the body is longer than DATA_UPLOAD_MAX_MEMORY_SIZE."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    detail = f"The request body is longer than {limit} bytes. The connection is closed."
    return problem(413, "body_too_large", detail)


def _headers(exc: Any) -> dict[str, str]:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return headers


def _invalid(detail: Any) -> JsonResponse:
    return problem(400, "invalid_request", "The request is not valid.", errors=by_path(detail))


def by_path(detail: Any) -> dict[str, list[str]]:
    """Return the messages of a validation error by the path of their field."""
    errors: dict[str, list[str]] = {}
    for path, message in messages(detail):
        errors.setdefault(path or api_settings.NON_FIELD_ERRORS_KEY, []).append(message)
    return errors


def messages(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the message of each error of a tree: `items[0].quantity`."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            if key == api_settings.NON_FIELD_ERRORS_KEY:
                yield from messages(value, path)
            elif isinstance(key, int):
                yield from messages(value, f"{path}[{key}]")
            else:
                yield from messages(value, f"{path}.{key}" if path else str(key))
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            is_message = not isinstance(value, Mapping | list)
            yield from messages(value, path if is_message else f"{path}[{index}]")
    else:
        yield path, str(detail)


def _unexpected(exc: Exception, request: Request) -> JsonResponse:
    response = internal_error()
    log_response(
        "%s %s: %s",
        request.method,
        request.path,
        type(exc).__name__,
        response=response,
        request=request._request,
        exception=exc,
    )
    got_request_exception.send(sender=handle, request=request._request)
    return response


@csrf_exempt
def not_found(request: HttpRequest | Request, *args: Any, **kwargs: Any) -> JsonResponse:
    """Return 404, also for a resource of another organization."""
    return problem(404, "not_found", "Resource not found.")


def bad_request(request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> JsonResponse:
    """Return 400: the request cannot be understood as HTTP for this host."""
    return problem(400, "bad_request", "The request cannot be understood.")


def internal_error(request: HttpRequest | None = None) -> JsonResponse:
    """Return 500: the cause is only in the log, with the request's id."""
    detail = "Something went wrong. Give the request_id when you report it."
    return problem(500, "internal_error", detail)
