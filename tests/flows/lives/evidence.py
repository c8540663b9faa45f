"""What the judges judge: the messages of a consumer, and at the end the API."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.broker.conftest import Message
from tests.consumers.inventory import Level, Place
from tests.flows.lives.client import Client
from tests.flows.lives.state import Row

RESOURCES = ("orders", "carts", "payments", "fulfillments", "shipments", "returns", "invoices")
Finding = tuple[str, str]  # a stream, and what is wrong with it


@dataclass(frozen=True)
class Event:
    """An event as its message says; amounts are Decimals."""

    name: str
    organization: str
    data: dict[str, Any]
    sequence: int


@dataclass
class Evidence:
    """Messages in the order of their arrival, and the rows of the API by resource.

    `failed_reactions` are the streams on which a reaction has failed, and `stock` is what the
    database says about each order.
    """

    messages: list[Message]
    rows: dict[str, list[Row]]
    timelines: dict[str, list[Row]]  # of orders, with the internal events
    failed_reactions: set[str]
    stock: dict[str, dict[Place, Level]]  # by order
    events: dict[str, list[Event]] = field(init=False)  # by stream, without duplicates

    def __post_init__(self) -> None:
        unique = {message.place: message for message in reversed(self.messages)}
        self.events = defaultdict(list)
        for (stream, sequence), message in sorted(unique.items()):
            envelope = json.loads(message.body, parse_float=Decimal)
            self.events[stream].append(event_of(envelope, sequence))

    @property
    def orders(self) -> list[Row]:
        return self.rows["orders"]

    def story(self, order: Row) -> list[Event]:
        """Return the events of an order's timeline; the internal ones have the sequence 0."""
        return [
            event_of(entry["envelope"], entry["sequence"] or 0)
            for entry in self.timelines[order["id"]]
        ]

    def of(self, resource: str, order: Row) -> list[Row]:
        return [row for row in self.rows[resource] if row["order_id"] == order["id"]]


def event_of(envelope: dict[str, Any], sequence: int) -> Event:
    return Event(envelope["event"], envelope["organization_id"], envelope["data"], sequence)


def named(name: str, events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.name == name]


def read_api(clients: Iterable[Client]) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """Return all rows by resource, each with its `organization_id`, and the timelines of orders.

    The `events` are the entries of the feed.
    """
    rows: dict[str, list[Row]] = {resource: [] for resource in (*RESOURCES, "events")}
    timelines = {}
    for client in clients:
        rows["events"] += client.entries("/events")
        for resource in RESOURCES:
            rows[resource] += [
                {**row, "organization_id": client.organization}
                for row in client.rows(f"/{resource}")
            ]
        for order in rows["orders"]:
            if order["organization_id"] == client.organization:
                entries = client.entries(f"/orders/{order['id']}/timeline")
                timelines[order["id"]] = entries
    return rows, timelines
