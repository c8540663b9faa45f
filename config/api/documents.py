"""The OpenAPI document as it is served."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request

from config.api import problems, refusals
from config.api.pdf import Pdf


@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def schema(request: Request) -> HttpResponse:
    """Answer with the OpenAPI document."""
    return HttpResponse(_document(), content_type="application/json")


@cache
def _document() -> bytes:
    """It takes long to make, and is the same until the process ends."""
    made = SchemaGenerator().get_schema(request=None, public=True)
    return json.dumps(made, separators=(",", ":")).encode()


def complete(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add what no view of a context knows: the codes of all, and the routes without a token."""
    meanings = refusals.codes()
    result["components"]["schemas"]["Problem"]["properties"]["code"] |= {
        "enum": list(meanings),
        "description": "\n".join(f"- `{code}`: {meanings[code]}" for code in meanings),
    }
    result["paths"] |= {path: {"get": operation} for path, operation in OPEN.items()}
    result["paths"] |= {path: {"post": operation} for path, operation in WEBHOOKS.items()}
    return result


def _open(
    name: str,
    summary: str,
    kind: str,
    example: Any,
    *errors: refusals.Told,
    parameters: Sequence[Any] = (),
) -> Any:
    schema = {"type": "object" if isinstance(example, dict) else "string"}
    answer = {"description": summary, "content": _shown(kind, schema, example)}
    return {
        "operationId": name,
        "summary": summary,
        "tags": [name.partition("_")[0]],
        "security": [],
        "parameters": list(parameters),
        "responses": {"200": answer, **_refused(*errors)},
    }


def _refused(*errors: refusals.Told) -> dict[str, Any]:
    return {
        str(error.status): {
            "description": error.meaning,
            "content": _shown(problems.CONTENT_TYPE, PROBLEM, refusals.example(error)),
        }
        for error in errors
    }


def _shown(kind: str, schema: dict[str, str], example: Any) -> dict[str, Any]:
    return {kind: {"schema": schema, "examples": {"answer": {"value": example}}}}


PROBLEM = {"$ref": "#/components/schemas/Problem"}
JSON = "application/json"
REFUSED = (refusals.STATUSES[406], refusals.STATUSES[429])
UNSIGNED = refusals.Told(
    400,
    "The signature is not the sender's, or older than five minutes.",
    "bad_signature",
    "Stripe has not signed this, or more than five minutes ago: "
    "check STRIPE_WEBHOOK_SECRET and the clock.",
)
UNSIGNED_BY_CARRIER = refusals.Told(
    400,
    "The signature is not the carrier's, or the message is not as it should be (`bad_message`).",
    "bad_signature",
    "EasyPost has not signed this: check EASYPOST_WEBHOOK_SECRET.",
)
DOWN = refusals.Told(
    503, "The database does not answer.", "database_unavailable", "The database does not answer."
)
EXPIRED = refusals.Told(
    410, "The link was good for 30 days.", "link_expired", "This link was good for 30 days."
)
TOKEN = {
    "name": "token",
    "in": "path",
    "required": True,
    "description": "As it stands in a `pdf_url` or a `label_url`.",
    "schema": {"type": "string"},
}
OPEN = {
    "/api/v1/documents/{token}": _open(
        "invoices_document",
        "An invoice or a credit note as PDF, for whoever has its `pdf_url`.",
        Pdf.media_type,
        Pdf.example,
        refusals.STATUSES[404],
        EXPIRED,
        *REFUSED,
        parameters=[TOKEN],
    ),
    "/api/v1/labels/{token}": _open(
        "shipments_document",
        "A label as PDF, for whoever has its `label_url`.",
        Pdf.media_type,
        Pdf.example,
        refusals.STATUSES[404],
        EXPIRED,
        *REFUSED,
        parameters=[TOKEN],
    ),
    "/api/v1/events/asyncapi.json": _open(
        "events_asyncapi", "The events for machines.", JSON, {"asyncapi": "3.0.0"}, *REFUSED
    ),
    "/api/v1/events/catalog/": _open(
        "events_catalog", "The events for people.", "text/html", "<!doctype html> …", *REFUSED
    ),
    "/health/live": _open("health_live", "The process answers.", JSON, {"status": "ok"}),
    "/health/ready": _open(
        "health_ready",
        "The database answers. The status is `ok`, or `degraded` while messages do not go out: "
        "requests are served all the same.",
        JSON,
        {
            "status": "degraded",
            "problems": [{"code": "messages_late", "detail": "The oldest message has waited …"}],
        },
        DOWN,
    ),
    "/metrics": _open(
        "metrics",
        "Metrics for Prometheus.",
        "text/plain",
        'order_service_owed{kind="message"} 0.0',
        DOWN,
    ),
}


def _webhook(
    name: str,
    summary: str,
    refused: refusals.Told,
    *errors: refusals.Told,
    parameters: Sequence[Any] = (),
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["webhooks"],
        "security": [],
        "parameters": list(parameters),
        "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object"}}}},
        "responses": {
            "204": {"description": "Taken, now or before."},
            **_refused(refused, refusals.STATUSES[413], DOWN, *errors),
        },
    }


CARRIER = {
    "name": "carrier",
    "in": "path",
    "required": True,
    "description": "The adapter's name: `easypost`.",
    "schema": {"type": "string"},
}
WEBHOOKS = {
    "/api/v1/webhooks/stripe": _webhook(
        "webhooks_stripe", "Messages of Stripe's, let in by their signature.", UNSIGNED
    ),
    "/api/v1/webhooks/carriers/{carrier}": _webhook(
        "webhooks_carriers",
        "Messages of a carrier's, let in by their signature.",
        UNSIGNED_BY_CARRIER,
        refusals.STATUSES[404],
        parameters=[CARRIER],
    ),
}
