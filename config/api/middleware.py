"""Every request has an id, and whatever it does is traced back to it."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from events import origin
from events.ids import new_id

_SANE_ID = re.compile(r"[!-~]{1,64}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


class RequestOrigin:
    """Take the caller's `X-Request-ID` and `traceparent`, so that facts name their request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _SANE_ID.fullmatch(given) else new_id("req")
        traceparent = request.headers.get("traceparent", "")
        request.request_id = request_id  # type: ignore[attr-defined]
        with origin.acting(
            request_id=request_id,
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        ):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response
