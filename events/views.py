"""Reading the log: what was published, for consumers that were away; and one stream's story."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from config.api.serializers import ExternalId, StrictSerializer
from config.api.views import ContextViewSet
from events.models import Event, Publication
from events.schema import whole_seconds

M = TypeVar("M", bound=Model)


class Page(StrictSerializer):
    """`after` is the last position that the caller has seen."""

    after = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=0)
    page_size = serializers.IntegerField(min_value=1, max_value=100, default=100)


class FeedPage(Page):
    """Narrowed to one kind of event, or to one order or cart."""

    name = ExternalId(required=False)
    stream = ExternalId(required=False)


class Feed(ContextViewSet):
    """The organization's published events, in the order in which the broker confirmed them."""

    scope = "events"
    queryset = Publication.objects.select_related("event")

    def list(self, request: Request) -> HttpResponse:
        query = _parse(FeedPage, request)
        given = {f"event__{name}": query[name] for name in ("name", "stream") if name in query}
        return _answer(request, query, self.get_queryset().filter(**given), _publication)


def timeline(request: Request, stream: str) -> HttpResponse:
    """Answer with every event of a stream, internal ones too, in the order of what happened."""
    events = Event.objects.filter(stream=stream)
    return _answer(request, _parse(Page, request), events, _event)


def _parse(serializer: type[Page], request: Request) -> dict[str, Any]:
    query = serializer(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


def _answer(
    request: Request,
    query: dict[str, Any],
    rows: QuerySet[M],
    shape: Callable[[M], dict[str, Any]],
) -> HttpResponse:
    """Envelopes are copied as they went out: parsed and written again, 125.50 would be 125.5."""
    size = query["page_size"]
    found = list(rows.filter(pk__gt=query["after"]).order_by("pk")[: size + 1])
    page, is_last = found[:size], len(found) <= size
    url = request.build_absolute_uri()
    body = {
        "next": None if is_last else replace_query_param(url, "after", page[-1].pk),
        "results": [shape(row) for row in page],
    }
    return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def _publication(row: Publication) -> dict[str, Any]:
    return {
        "position": row.position,
        "id": row.event.id,
        "stream": row.event.stream,
        "sequence": row.event.sequence,
        "envelope": msgspec.Raw(row.event.body.encode()),
    }


def _event(row: Event) -> dict[str, Any]:
    return {
        "position": row.number,
        "id": row.id,
        "sequence": row.sequence,
        "published": row.sequence is not None,
        "subject": row.subject,
        "actor": row.actor,
        "request_id": row.request_id,
        "recorded_at": whole_seconds(row.recorded_at),
        "envelope": msgspec.Raw(row.body.encode()),
    }
