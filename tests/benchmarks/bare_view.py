"""The baseline of a checkout: a view without rules that inserts the same rows."""

from copy import copy
from typing import Any

from django.db import transaction
from django.db.models import F, Model, QuerySet
from django.urls import include, path
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    permission_classes,
    throttle_classes,
)
from rest_framework.request import Request
from rest_framework.response import Response

from carts.models import Cart
from config.api.models import IdempotencyRecord
from config.core.ids import new_id
from config.core.models import NumberSeries
from events.models import EventRecord, Outbox, Stream
from orders.models import Order

finished: dict[str, Any] = {}  # the rows of a checkout, to be inserted again under other ids


def remember(order: Order) -> None:
    """Take this order's checkout as the pattern. Its cart must be like all other carts."""
    events = EventRecord.objects.filter(stream=order.id) | EventRecord.objects.filter(
        stream=order.cart_id, name="cart.converted"
    )
    finished.update(
        order=order,
        items=list(order.items.all()),
        events=list(events.order_by("number")),
        response=IdempotencyRecord.objects.get(path__contains=order.cart_id),
    )


def _insert(*rows: Model) -> None:
    QuerySet(type(rows[0])).bulk_create(rows)  # an aggregate's manager refuses it


def _like(row: Model, **changes: Any) -> Any:
    new = copy(row)
    new._state = copy(row._state)
    for name, value in changes.items():
        setattr(new, name, value)
    return new


@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
@throttle_classes([])
@transaction.atomic
def check_out(request: Request, cart_id: str) -> Response:
    order_id = new_id("order")
    cart = Cart.objects.select_for_update(no_key=True).get(pk=cart_id)
    _insert(_like(finished["response"], pk=None, key=request.headers["Idempotency-Key"]))
    NumberSeries.objects.update(last=F("last") + 1)
    _insert(_like(finished["order"], pk=order_id, number=order_id[-20:], cart_id=cart_id))
    items = [_like(item, pk=new_id("item"), order_id=order_id) for item in finished["items"]]
    _insert(*items)
    QuerySet(Cart).filter(pk=cart.pk).update(status=Cart.Status.CONVERTED, order_id=order_id)
    _insert(Stream(key=order_id, sequence=2))
    Stream.objects.filter(key=cart_id).update(sequence=F("sequence") + 1)
    events = []
    for event in finished["events"]:
        stream = cart_id if event.name == "cart.converted" else order_id
        events.append(_like(event, pk=None, id=new_id("evt"), stream=stream))
    _insert(*events)
    _insert(*[Outbox(event=event, stream=event.stream, shard=0) for event in events])
    return Response({"id": order_id, "asked": request.data}, status=201)


urlpatterns = [path("bare/<cart_id>", check_out), path("", include("config.urls"))]
