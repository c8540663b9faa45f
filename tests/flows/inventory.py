"""The messages that Inventory's queue receives of the log, and what Inventory makes of them."""

from typing import NamedTuple

from events.delivery import broker
from events.models import EventRecord
from tests.consumers.inventory import Inventory

QUEUE = "inventory_order_consumer"


class Received(NamedTuple):
    """A message of the log, as the consumer's queue receives it."""

    id: str
    place: tuple[str, int]
    body: str


def messages() -> list[Received]:
    """Return all messages of Inventory's queue so far, in the order of the log."""
    bound = broker.bindings()[QUEUE]
    rows = EventRecord.objects.filter(sequence__isnull=False, name__in=bound).order_by("number")
    return [Received(row.id, (row.stream, row.sequence or 0), row.body) for row in rows]


def inventory(received: list[Received]) -> Inventory:
    """Return an Inventory that has received these messages."""
    consumer = Inventory()
    for message in received:
        consumer.feed(message)
    return consumer
