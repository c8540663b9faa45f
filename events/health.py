"""Endpoints for load balancers, orchestrators and Prometheus."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare

from config.api import errors, problems
from events.operations import metrics, statistics

OVERDUE_AFTER = 10  # seconds; a confirm usually takes a fraction of one


class Probes:
    """`/health/live`, `/health/ready` and `/metrics`.

    A middleware, because a probe does not use TLS, and calls the process by its IP address, which
    is not in ALLOWED_HOSTS.
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
                return _if_database_available(partial(_metrics, request))
        return self.get_response(request)


def _if_database_available(respond: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return respond()
    except Error:
        return problems.database_unavailable()


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


def _metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics to Prometheus, which has a token of its own."""
    if not settings.METRICS_TOKEN:
        return problems.not_found(request)
    given = request.headers.get("Authorization", "")
    if not constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
        headers = {"WWW-Authenticate": "Bearer"}
        return problems.problem(
            401, "not_authenticated", "It needs METRICS_TOKEN as bearer token.", headers=headers
        )
    return HttpResponse(metrics.text(), content_type=metrics.CONTENT_TYPE)


def describe(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the probes to the OpenAPI document: a middleware has no views to describe."""
    result["paths"] |= {
        "/health/live": _operation(
            "check_liveness",
            "Check that the process responds.",
            "Uses neither the database nor the broker.",
            {"status": "ok"},
        ),
        "/health/ready": _operation(
            "check_readiness",
            "Check that the service can handle requests.",
            "Returns 200 while the database responds. `status` is `degraded` while events wait to "
            "be published; the service still handles requests.",
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
            "ServiceUnavailable",
        ),
    }
    return result


def _operation(
    name: str, summary: str, description: str, example: dict[str, Any], *shared: str
) -> dict[str, Any]:
    examples = {"response": {"value": example}}
    content = {"application/json": {"schema": {"type": "object"}, "examples": examples}}
    success = {"description": "OK", "headers": errors.headers(), "content": content}
    refused = [errors.SHARED[name] for name in ("BodyTooLarge", *shared)]
    operation = {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": ["health"],
        "security": [],
        "responses": {"200": success, **errors.responses(*refused)},
    }
    return {"get": operation}
