"""Endpoints for load balancers, orchestrators and Prometheus."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse

from config.api import errors
from config.api.problems import database_unavailable
from events.operations import metrics, statistics

OVERDUE_AFTER = 10  # seconds; a confirm usually takes a fraction of one


class Probes:
    """`/health/live`, `/health/ready` and `/metrics`.

    A middleware, because a probe has no token, does not use TLS, and calls the process by its IP
    address, which is not in ALLOWED_HOSTS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match request.path:
            case "/health/live":
                return JsonResponse({"status": "ok"})
            case "/health/ready":
                return _if_database_available(_ready)
            case "/metrics":
                return _if_database_available(_metrics)
        return self.get_response(request)


def _if_database_available(respond: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return respond()
    except Error:
        return database_unavailable()


def _ready() -> HttpResponse:
    """Return 200 without the broker too: requests are served, and their events stay pending."""
    if problems := [{"code": code, "detail": detail} for code, detail in _problems()]:
        return JsonResponse({"status": "degraded", "problems": problems})
    return JsonResponse({"status": "ok"})


def _problems() -> Iterator[tuple[str, str]]:
    if (age := statistics.age(statistics.unblocked_messages())) > OVERDUE_AFTER:
        yield (
            "messages_late",
            f"The oldest pending message is {age:.0f} s old. No message is lost: it is published "
            "as soon as a worker runs and RabbitMQ accepts it.",
        )
    if parked := statistics.parked_messages():
        yield (
            "messages_parked",
            f"Messages that RabbitMQ refused: {parked}. They hold back the later events of their "
            "order or cart until an operator retries or discards them, under Pending messages in "
            "the admin.",
        )


def _metrics() -> HttpResponse:
    return HttpResponse(metrics.text(), content_type=metrics.CONTENT_TYPE)


def describe(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the probes to the OpenAPI document: a middleware has no views to describe."""
    result["paths"] |= {
        "/health/live": _operation(
            "check_liveness",
            "Check that the process responds.",
            "Uses neither the database nor the broker.",
            ("application/json", {"status": "ok"}),
        ),
        "/health/ready": _operation(
            "check_readiness",
            "Check that the service can handle requests.",
            "Returns 200 while the database responds. `status` is `degraded` while events wait to "
            "be published; the service still handles requests.",
            (
                "application/json",
                {
                    "status": "degraded",
                    "problems": [
                        {
                            "code": "messages_late",
                            "detail": "The oldest pending message is 42 s old. No message is "
                            "lost: it is published as soon as a worker runs and RabbitMQ accepts "
                            "it.",
                        }
                    ],
                },
            ),
            "ServiceUnavailable",
        ),
        "/metrics": _operation(
            "get_metrics",
            "Get the metrics.",
            "In the text format of Prometheus.",
            ("text/plain", 'order_service_owed{kind="message"} 0.0'),
            "ServiceUnavailable",
        ),
    }
    return result


def _operation(
    name: str, summary: str, description: str, shown: tuple[str, Any], *shared: str
) -> dict[str, Any]:
    media_type, example = shown
    schema = {"type": "string" if media_type == "text/plain" else "object"}
    content = {media_type: {"schema": schema, "examples": {"response": {"value": example}}}}
    success = {"description": "OK", "headers": errors.headers(), "content": content}
    refused = [errors.SHARED[name] for name in ("BodyTooLarge", *shared)]
    operation = {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": ["metrics" if media_type == "text/plain" else "health"],
        "security": [],
        "responses": {"200": success, **errors.responses(*refused)},
    }
    return {"get": operation}
