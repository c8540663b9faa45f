"""The OpenAPI document, and the page that explains the codes of problems."""

import html
import json
import re
import threading
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from drf_spectacular.generators import SchemaGenerator
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request

from config.api import errors, idempotency, operations, permissions
from config.api.errors import ErrorExample

_generating = threading.Lock()


@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def schema(request: Request) -> HttpResponse:
    """Return the OpenAPI document."""
    with _generating:  # drf-spectacular may fail in two threads at once
        document = _document()
    return HttpResponse(document, content_type="application/json")


@cache
def _document() -> bytes:
    """Return the document as JSON. Generating it is slow, so that each process does it once."""
    made = SchemaGenerator().get_schema(request=None, public=True)
    return json.dumps(made, separators=(",", ":")).encode()


def problems(request: HttpRequest) -> HttpResponse:
    """Show the page that the `type` of a problem refers to: one entry for each code."""
    meanings = {code: with_code(meaning) for code, meaning in codes().items()}
    return render(request, "api/problems.html", {"codes": meanings})


def with_code(text: str) -> SafeString:
    """Return a docstring as HTML, with `names` in code style."""
    return mark_safe(re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(text)))


def codes() -> dict[str, str]:
    """Return every code of a problem with its meaning."""
    own = (permissions.MissingScope, idempotency.KeyRequired, idempotency.KeyReused)
    found: Iterable[ErrorExample] = (
        *errors.SHARED.values(),
        *map(ErrorExample.of, (*own, idempotency.InProgress)),
        *operations.declared.values(),
    )
    return dict(sorted(({error.code: error.meaning for error in found} | errors.CODES).items()))


def without_slash(endpoints: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Document a URL that may end with a slash without it."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]


def complete(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the server, the contact, the shared responses and headers, and the problem codes."""
    result["servers"] = [{"url": settings.PUBLIC_URL}]
    seller = settings.DEFAULT_SELLER
    result["info"]["contact"] = {key: seller[key] for key in ("name", "email") if key in seller}
    components, meanings = result["components"], codes()
    components["responses"] = {name: errors.response(e) for name, e in errors.SHARED.items()}
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in errors.HEADERS.items()
    }
    components["schemas"]["Problem"] = errors.problem_schema()
    components["schemas"]["Problem"]["properties"]["code"] |= {
        "enum": list(meanings),
        "description": "\n".join(f"- `{code}`: {meanings[code]}" for code in meanings),
    }
    return result
