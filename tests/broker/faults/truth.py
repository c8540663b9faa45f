"""Compares the events in the database with the messages that a consumer received."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pika

from events.models import EventRecord


@dataclass(frozen=True)
class Received:
    """A message: the id, position and bytes of its event."""

    id: str
    stream: str
    sequence: int
    body: bytes


@dataclass(frozen=True)
class Verdict:
    """The differences. `invented` messages were never committed, or have other bytes."""

    events: int
    lost: int
    invented: int
    reordered: int
    duplicates: int


def read_queue(queue: str, url: str) -> list[Received]:
    """Read all messages of a queue."""
    received: list[Received] = []
    with pika.BlockingConnection(pika.URLParameters(url.removesuffix("//") + "/%2F")) as connection:
        channel = connection.channel()
        left = channel.queue_declare(queue, passive=True).method.message_count
        consumed: Any = channel.consume(queue, auto_ack=True) if left else ()
        for _, properties, body in consumed:
            headers = properties.headers
            place = headers["x-stream"], headers["x-sequence"]
            received.append(Received(str(properties.message_id), *place, body))
            if len(received) == left:
                break
        if left:
            channel.cancel()
    return received


def compare(received: list[Received]) -> Verdict:
    """Compare the messages, in the order in which they arrived."""
    rows = EventRecord.objects.filter(sequence__isnull=False)
    events = {
        id: (stream, sequence, body.encode())
        for id, stream, sequence, body in rows.values_list("id", "stream", "sequence", "body")
    }
    first: dict[str, Received] = {}
    for message in received:
        first.setdefault(message.id, message)
    last: defaultdict[str, int] = defaultdict(int)
    reordered = 0
    for message in first.values():
        reordered += message.sequence < last[message.stream]
        last[message.stream] = max(last[message.stream], message.sequence)
    contents = {(m.id, (m.stream, m.sequence, m.body)) for m in received}
    return Verdict(
        events=len(events),
        lost=len(events.keys() - first.keys()),
        invented=sum(events.get(id) != message for id, message in contents),
        reordered=reordered,
        duplicates=len(received) - len(first),
    )
