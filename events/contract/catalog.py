"""Serves the AsyncAPI document and the event catalog, without authentication."""

import html
import inspect
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpResponse
from django.utils.safestring import SafeString, mark_safe
from drf_spectacular.types import OpenApiTypes
from rest_framework.decorators import renderer_classes
from rest_framework.renderers import JSONRenderer, TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.documents import with_code
from config.api.operations import public
from events.contract.asyncapi import (
    EXTENSION,
    HEADERS,
    PROPERTIES,
    document,
    envelope_schema,
    published,
    sample,
)
from events.delivery.broker import listeners, routing_key
from events.schema import Event

_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(
    rf"(?P<key>{_STRING}(?=:))|(?P<string>{_STRING})|(?P<number>-?\d[\d.]*)"
    r"|(?P<literal>true|false|null)"
)
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "object",
}


class AsyncApi(JSONRenderer):
    example = {"asyncapi": "3.0.0"}
    openapi_type = OpenApiTypes.OBJECT


class Html(TemplateHTMLRenderer):
    example = "<!doctype html> …"
    openapi_type = OpenApiTypes.STR


@public("GET", response=AsyncApi, operation_id="get_asyncapi_document", tag="events")
def asyncapi(request: Request) -> HttpResponse:
    """Get the AsyncAPI document.

    It describes the channel, the headers and the payload schema of every published event.
    """
    return HttpResponse(_json(document()), content_type="application/json")


@public("GET", response=Html, operation_id="get_event_catalog", tag="events")
@renderer_classes([Html])
def catalog(request: Request) -> Response:
    """Get the event catalog.

    A page that explains every published event, with an example of each.
    """
    events = [_describe(cls) for cls in published()]
    contexts = [(name, list(group)) for name, group in groupby(events, lambda e: e["context"])]
    tables = {"Headers": HEADERS["properties"], "AMQP properties": PROPERTIES}
    page = {
        "contexts": contexts,
        "exchange": settings.EVENTS_EXCHANGE,
        "tables": [
            (caption, [_row(name, value) for name, value in schemas.items()])
            for caption, schemas in tables.items()
        ],
        "envelope": events[0]["sample"],
    }
    return Response(page, template_name="events/catalog.html")


def _describe(cls: type[Event]) -> dict[str, Any]:
    schema, objects = envelope_schema(cls, "#/$defs/{name}")
    return {
        "name": cls.name,
        "context": cls.__module__.partition(".")[0],
        "what": with_code(inspect.cleandoc(cls.__doc__ or "")),
        "stream_type": cls.stream_type,
        "note": "" if cls.published else EXTENSION,
        "routing_keys": [routing_key(cls.name), cls.name],
        "listeners": listeners(cls.name),
        "fields": list(_fields(objects[cls.__name__], objects)),
        "sample": _highlight(sample(cls)),
        "schema": _highlight(_json(schema | {"$defs": objects})),
    }


def _fields(
    schema: dict[str, Any], objects: dict[str, dict[str, Any]], within: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield a row for each key, followed by the keys of an object or of a list of objects."""
    for name, value in schema["properties"].items():
        path = within + name
        yield _row(path, value)
        value, *_ = value.get("anyOf", [value])
        while "items" in value:
            path, value = f"{path}[]", value["items"]
        if "$ref" in value:
            yield from _fields(objects[value["$ref"].rpartition("/")[2]], objects, f"{path}.")


def _row(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    value, *null = schema.get("anyOf", [schema])
    note = schema.get("description", "")
    return {"name": name, "type": _type(value), "nullable": bool(null), "note": with_code(note)}


def _type(schema: dict[str, Any]) -> str:
    match schema:
        case {"title": str(kind)}:
            return kind
        case {"format": "date-time"}:
            return "timestamp"
        case {"format": "date"}:
            return "date"
        case {"const": value} | {"enum": [value]}:
            return f"always {value}"
        case {"enum": values}:
            return f"one of {', '.join(values)}"
        case {"type": "array", "items": {"type": _} as entry}:
            return f"list of {_type(entry)}"
    return _WORDS[schema.get("type", "object")]


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _highlight(text: str) -> SafeString:
    def mark(token: re.Match[str]) -> str:
        return f'<span class="{token.lastgroup}">{token[0]}</span>'

    return mark_safe(_TOKEN.sub(mark, html.escape(text, quote=False)))
