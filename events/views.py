"""The feed of published events for consumers that missed some, and the timeline of a stream."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, cast

import msgspec
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from config.api.authentication import caller_of
from config.api.operations import endpoint
from config.api.serializers import ExternalId, StrictSerializer
from config.api.views import ContextViewSet
from events.contract.asyncapi import published
from events.models import EventRecord, Publication, Stream
from events.schema import Envelope, Timestamp, registry, whole_seconds

# Not parsed: written again, 125.50 would become 125.5.
RawEnvelope = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description="The exact JSON text of the message.",
        extra_json_schema={
            "type": "object",
            "required": list(Envelope.__struct_fields__),
            "properties": {
                "event": {"type": "string", "description": "The event's name."},
                "version": {"type": "string", "description": "The version of its payload."},
                "timestamp": {"type": "string", "format": "date-time"},
                "organization_id": {"type": "string"},
                "data": {"type": "object", "description": "Described in the event catalog."},
            },
        },
    ),
]


class Page(StrictSerializer):
    """A page of a timeline."""

    after = serializers.IntegerField(
        min_value=0,
        max_value=2**63 - 1,
        default=0,
        help_text="The last `position` of this timeline that the caller has processed; 0 for the "
        "first page. It is not a position of `/events`.",
    )
    page_size = serializers.IntegerField(
        min_value=1,
        max_value=100,
        default=100,
        help_text="Maximum number of events.",
    )


class FeedPage(Page):
    """A page of the feed, filtered by event or stream."""

    after = serializers.IntegerField(
        min_value=0,
        max_value=2**63 - 1,
        default=0,
        help_text="The last `position` of this feed that the caller has processed; 0 for the first "
        "page.",
    )
    name = serializers.ChoiceField(
        [cls.name for cls in published()], required=False, help_text="The event's name."
    )
    stream = ExternalId(required=False, help_text="The id of an order or a cart.")


class PublishedEvent(msgspec.Struct):
    """An event that the broker has confirmed."""

    position: Annotated[int, msgspec.Meta(description="The position in this feed.")]
    id: str
    stream: str
    sequence: int
    envelope: RawEnvelope


class PublishedEventList(msgspec.Struct):
    """A page of events in the order of `position`; `next` is the URL of the next page."""

    next: str | None
    results: list[PublishedEvent]


class RecordedEvent(msgspec.Struct):
    """An event with everything that the log records; internal events have no sequence."""

    position: Annotated[
        int, msgspec.Meta(description="The position in the timeline; not one of `/events`.")
    ]
    id: str
    sequence: int | None
    published: bool
    subject: str
    actor: str
    request_id: str | None
    recorded_at: Timestamp
    envelope: RawEnvelope


class Timeline(msgspec.Struct, kw_only=True):
    """A page of events in the order in which they were recorded; `next` is the next page's URL.

    `removed_at` is when earlier events were removed from the log, if they were.
    """

    next: str | None
    removed_at: Timestamp | None
    results: list[RecordedEvent]


class Feed(ContextViewSet):
    """The organization's published events, in the order in which the broker confirmed them."""

    scope = "events"
    queryset = Publication.objects.select_related("event")

    @endpoint(request=FeedPage, response=PublishedEventList, operation_id="list_events")
    def list(self, request: Request) -> HttpResponse:
        """List published events in the order in which the broker confirmed them."""
        query = self.query()
        given = {f"event__{name}": query[name] for name in ("name", "stream") if name in query}
        rows = self.get_queryset().filter(**given)
        return _answer(request, query, rows, _published, PublishedEventList)


def timeline(request: Request, query: dict[str, Any], stream: str) -> HttpResponse:
    """Return the events of a stream that the caller may read, in the order of the log.

    That are the events of the contexts whose scope the token has. A token that is bound to a
    customer does not see internal events.
    """
    caller = caller_of(request)
    names = [
        cls.name
        for cls in registry.values()
        if caller.may(f"{cls.__module__.partition('.')[0]}:read")
    ]
    rows = EventRecord.objects.filter(stream=stream, name__in=names)
    if caller.is_bound:
        rows = rows.filter(sequence__isnull=False)
    removed_at = Stream.objects.filter(pk=stream).values_list("removed_at", flat=True).first()
    page = partial(Timeline, removed_at=removed_at and whole_seconds(removed_at))
    return _answer(request, query, rows, _recorded, page)


def _answer(
    request: Request,
    query: dict[str, Any],
    rows: QuerySet[Any],
    entry: Callable[[Any], Any],
    page: Callable[..., PublishedEventList | Timeline],
) -> HttpResponse:
    size = query["page_size"]
    found = list(rows.filter(pk__gt=query["after"]).order_by("pk")[: size + 1])
    shown, is_last = found[:size], len(found) <= size
    url = request.build_absolute_uri()
    body = page(
        next=None if is_last else replace_query_param(url, "after", shown[-1].pk),
        results=[entry(row) for row in shown],
    )
    return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def _published(row: Publication) -> PublishedEvent:
    return PublishedEvent(
        position=row.position,
        id=row.event.id,
        stream=row.event.stream,
        sequence=cast(int, row.event.sequence),
        envelope=msgspec.Raw(row.event.body.encode()),
    )


def _recorded(row: EventRecord) -> RecordedEvent:
    return RecordedEvent(
        position=row.number,
        id=row.id,
        sequence=row.sequence,
        published=row.sequence is not None,
        subject=row.subject,
        actor=row.actor,
        request_id=row.request_id,
        recorded_at=whole_seconds(row.recorded_at),
        envelope=msgspec.Raw(row.body.encode()),
    )
