"""For whoever starts, stops and routes to this process."""

from collections.abc import Callable

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from config.api.problems import database_unavailable
from events import metrics


class Probes:
    """`/health/live`, `/health/ready` and `/metrics`.

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
                return _if_the_database_answers(_ready)
            case "/metrics":
                return _if_the_database_answers(_metrics)
        return self.get_response(request)


def _if_the_database_answers(answer: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return answer()
    except Error:
        return database_unavailable()


def _ready() -> HttpResponse:
    """The database answers. Not the broker: without it events wait, and requests are served."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


def _metrics() -> HttpResponse:
    return HttpResponse(metrics.text(), content_type=metrics.CONTENT_TYPE)
