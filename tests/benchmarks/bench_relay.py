"""The speed at which one relay process publishes a backlog, including its database work."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from zlib import crc32

import pytest
from django.conf import settings

from carts.events import CartItemAdded
from config.core.ids import new_id
from events import schema
from events.delivery.publisher import Message
from events.models import EventRecord, Outbox, Publication
from tests.benchmarks.bare import Bare
from tests.benchmarks.conftest import empty
from tests.benchmarks.measure import Line, paired, spread, table
from tests.broker.conftest import publish
from tests.events.sample_events import NOON, added

pytestmark = pytest.mark.django_db(transaction=True)
BACKLOG, HOT = 20_000, 2_000  # messages


def record(count: int, streams: int) -> list[Message]:
    """Record `count` events, one stream after the other in turn, and return their messages."""
    keys = [new_id("cart") for _ in range(streams)]
    messages = []
    for n in range(count):
        stream = keys[n % streams]
        messages.append(
            Message(
                number=0,  # replaced by the number of the row
                id=new_id("evt"),
                name="cart.item_added",
                version=CartItemAdded.version,
                stream=stream,
                sequence=n // streams + 1,
                organization_id="org_1",
                timestamp=int(NOON.timestamp()),
                traceparent=None,
                body=schema.render(added(cart_id=stream), organization_id="org_1", at=NOON),
            )
        )
    rows = [
        EventRecord(
            occurred_at=NOON,
            organization_id="org_1",
            subject=message.stream,
            actor="user_1",
            **{k: v for k, v in message._asdict().items() if k not in ("number", "timestamp")},
        )
        for message in messages
    ]
    made = EventRecord.objects.bulk_create(rows, batch_size=2000)
    return [m._replace(number=row.number) for m, row in zip(messages, made, strict=True)]


def make_pending(messages: list[Message]) -> None:
    """Make all messages pending."""
    pending = [
        Outbox(
            event_id=message.number,
            stream=message.stream,
            shard=crc32(message.stream.encode()) % settings.EVENTS_SHARDS,
        )
        for message in messages
    ]
    Outbox.objects.bulk_create(pending, batch_size=2000)


def compare(messages: list[Message], purge: Callable[[], object], window: int) -> list[float]:
    """Return the ratios of the relay's speed to that of the bare loop."""
    bare = Bare()

    def alone() -> float:
        purge()
        started = perf_counter()
        bare.publish(messages, window)
        return perf_counter() - started

    def relay() -> float:
        empty("events_outbox", "events_publication")
        make_pending(messages)
        purge()
        started = perf_counter()
        while Outbox.objects.exists():
            publish()
        took = perf_counter() - started
        assert Publication.objects.count() == len(messages)
        return took

    ratios = [alone / ours for ours, alone in paired(relay, alone)]
    bare.connection.collect()
    return ratios


@pytest.mark.parametrize(("streams", "target"), [(500, 0.75), (8000, 0.90)])
def test_backlog(purge, request, streams, target):
    ratios = compare(record(BACKLOG, streams), purge, window=500)
    kind = request.node.callspec.params["purge"]
    what = f"relay, backlog over {streams:,} streams, {kind} queue: speed to a bare loop's"
    table.append(Line(what, spread(ratios), f"≥ {target:.2f}", median(ratios) >= target))


@pytest.mark.parametrize("purge", ["classic"], indirect=True)
def test_hot_stream(purge):
    ratios = compare(record(HOT, streams=1), purge, window=1)
    what = "relay, one hot stream: speed to a bare loop's that waits for each confirm"
    table.append(Line(what, spread(ratios), "≥ 0.90", median(ratios) >= 0.9))
