"""Middleware of all requests: their ids and log, their limits, and what browsers may run."""

import logging
import re
import time
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from config.api import problems
from config.core import request_context
from config.core.ids import new_id

access = logging.getLogger("access")
UNLOGGED = ("/health/", "/metrics", "/static/")

_SANE_ID = re.compile(r"[!-~]{1,64}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


class RequestOrigin:
    """Take the caller's `X-Request-ID` and `traceparent`, so that events name their request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _SANE_ID.fullmatch(given) else new_id("req")
        traceparent = request.headers.get("traceparent", "")
        request.request_id = request_id  # type: ignore[attr-defined]
        with request_context.use(
            request_id=request_id,
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        ):
            started = time.monotonic()
            response = self.get_response(request)
            if not request.path.startswith(UNLOGGED):
                access.info(
                    "%s %s %d",
                    request.method,
                    request.path,
                    response.status_code,
                    extra={
                        "status": response.status_code,
                        "duration_ms": round((time.monotonic() - started) * 1000, 1),
                    },
                )
        response["X-Request-ID"] = request_id
        for name, value in getattr(request, "rate_limit", {}).items():
            response[name] = value
        return response


class ContentSecurityPolicy:
    """Tell browsers what each page may load and run: docs/security.md says why.

    `CONTENT_SECURITY_POLICIES` has the policies of paths, by their beginnings. Other pages have no
    scripts, and what is no page, such as JSON, needs nothing at all.
    """

    NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    PAGE = f"{NOTHING}; style-src 'self'; img-src 'self' data:"

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not (settings.DEBUG and response.status_code in (404, 500)):  # Django's, for developers
            response["Content-Security-Policy"] = self._policy(request, response)
        return response

    def _policy(self, request: HttpRequest, response: HttpResponse) -> str:
        for beginning, policy in settings.CONTENT_SECURITY_POLICIES.items():
            if request.path.startswith(beginning):
                return str(policy)
        is_page = response.get("Content-Type", "").startswith("text/html")
        return self.PAGE if is_page else self.NOTHING


class BodyLimit:
    """Refuse a request body that is too long or incomplete, or that is not in UTF-8.

    A body that the server cannot hand over whole is never treated as empty: optional fields would
    silently take their defaults. The connection is closed, since the rest of the body is unread.

    Django decodes text in any charset that the client names. Some take minutes (`punycode`), and
    some are no text (`bz2`).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refused = self._refusal(request)
        if refused is None:
            return self.get_response(request)
        request.META["close_connection"] = True
        return refused

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if "HTTP_TRANSFER_ENCODING" in request.META:
            return problems.problem(
                411, "length_required", "Send the body with a Content-Length header."
            )
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return problems.body_too_large()
        if request.encoding and request.encoding.lower() not in ("utf-8", "utf8"):
            return problems.problem(415, "unsupported_media_type", "Send text in UTF-8.")
        try:
            received = len(request.body)
        except UnreadablePostError:  # the client has disconnected
            received = 0
        if received < length:
            detail = f"The body is incomplete: {length} bytes were announced. Send it again."
            return problems.problem(400, "bad_request", detail)
        return None


class DatabaseProblems:
    """Return 503 where the database does not respond, outside the API's views too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the problem, or None for another error."""
        if isinstance(error, InterfaceError | OperationalError):
            return problems.database_problem(error)
        return None
