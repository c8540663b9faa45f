"""For whoever starts, stops and routes to this process."""

from collections.abc import Callable

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from config.api.problems import problem


class Probes:
    """`/health/live` and `/health/ready`.

    A middleware, because a probe has no token and calls the process by its address, which is no
    allowed host, and without TLS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match request.path:
            case "/health/live":
                return JsonResponse({"status": "ok"})
            case "/health/ready":
                return _ready()
        return self.get_response(request)


def _ready() -> HttpResponse:
    """The database answers. Not the broker: without it events wait, and requests are served."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return problem(503, "database_unavailable", "The database does not answer.")
    return JsonResponse({"status": "ok"})
