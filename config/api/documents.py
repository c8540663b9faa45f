"""The OpenAPI document as it is served."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
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
    """Add what no view of a context knows: the server, the contact, the codes, the open routes."""
    result["servers"] = [{"url": settings.PUBLIC_URL}]
    seller = settings.DEFAULT_SELLER
    result["info"]["contact"] = {key: seller[key] for key in ("name", "email") if key in seller}
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
    description: str,
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
        "description": description,
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
TOO_LARGE = refusals.STATUSES[413]  # refused before the request reaches a probe
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
        "Download an invoice or a credit note as PDF.",
        "Needs no token: the signed URL in `pdf_url` grants access for 30 days.",
        Pdf.media_type,
        Pdf.example,
        refusals.STATUSES[404],
        EXPIRED,
        *REFUSED,
        parameters=[TOKEN],
    ),
    "/api/v1/labels/{token}": _open(
        "shipments_document",
        "Download a shipping label as PDF.",
        "Needs no token: the signed URL in `label_url` grants access for 30 days.",
        Pdf.media_type,
        Pdf.example,
        refusals.STATUSES[404],
        EXPIRED,
        *REFUSED,
        parameters=[TOKEN],
    ),
    "/api/v1/events/asyncapi.json": _open(
        "events_asyncapi",
        "Show the AsyncAPI document.",
        "Describes the channel, the headers and the payload schema of every published event.",
        JSON,
        {"asyncapi": "3.0.0"},
        *REFUSED,
    ),
    "/api/v1/events/catalog": _open(
        "events_catalog",
        "Show the event catalog.",
        "A page that explains every published event, with an example of each.",
        "text/html",
        "<!doctype html> …",
        *REFUSED,
    ),
    "/health/live": _open(
        "health_live",
        "Check that the process responds.",
        "Uses neither the database nor the broker.",
        JSON,
        {"status": "ok"},
        TOO_LARGE,
    ),
    "/health/ready": _open(
        "health_ready",
        "Check that the service can handle requests.",
        "Responds with 200 while the database is available. `status` is `degraded` while events "
        "wait to be published; requests are still served.",
        JSON,
        {
            "status": "degraded",
            "problems": [{"code": "messages_late", "detail": "The oldest message has waited …"}],
        },
        TOO_LARGE,
        DOWN,
    ),
    "/metrics": _open(
        "metrics",
        "Show the metrics.",
        "In the text format of Prometheus.",
        "text/plain",
        'order_service_owed{kind="message"} 0.0',
        TOO_LARGE,
        DOWN,
    ),
}


def _webhook(
    name: str,
    summary: str,
    description: str,
    refused: refusals.Told,
    *errors: refusals.Told,
    parameters: Sequence[Any] = (),
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
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
        "webhooks_stripe",
        "Receive an event from Stripe.",
        "Needs no token: the `Stripe-Signature` header proves the sender.",
        UNSIGNED,
    ),
    "/api/v1/webhooks/carriers/{carrier}": _webhook(
        "webhooks_carriers",
        "Receive a tracking update from a carrier.",
        "Needs no token: the carrier's signature header proves the sender.",
        UNSIGNED_BY_CARRIER,
        refusals.STATUSES[404],
        parameters=[CARRIER],
    ),
}
