"""For whoever starts, stops and routes to this process."""

from collections.abc import Callable, Iterator

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse

from config.api.problems import database_unavailable
from events.operations import metrics, statistics

LATE = 10  # seconds; a message is confirmed in a fraction of one, or the broker is away


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
    if problems := [{"code": code, "detail": detail} for code, detail in _problems()]:
        return JsonResponse({"status": "degraded", "problems": problems})
    return JsonResponse({"status": "ok"})


def _problems() -> Iterator[tuple[str, str]]:
    if (age := statistics.age(statistics.messages())) > LATE:
        yield (
            "messages_late",
            f"The oldest message has waited for {age:.0f} s. Nothing is lost: it goes out as soon "
            "as a worker runs and RabbitMQ takes it.",
        )
    if parked := statistics.parked_messages():
        yield (
            "messages_parked",
            f"Messages that RabbitMQ has refused: {parked}. They hold their order or cart until "
            "somebody has them tried again, or discards them, under Owed messages in the admin.",
        )


def _metrics() -> HttpResponse:
    return HttpResponse(metrics.text(), content_type=metrics.CONTENT_TYPE)
