"""The Inventory Service, as a consumer: it keeps its stock by the messages that it receives.

It is written from the specification of the events and the extension events about stock of
docs/consumers.md. It knows nothing else of this service, and calls nothing except the route that
takes its answer to `order.placed`.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

EXTENSIONS = (
    "order.reserved",
    "order.backorder_reserved",
    "order.units_written_off",
    "order.units_reopened",
    "order.units_recovered",
    "fulfillment.units_moved",
)
RESTOCKED = ("good", "opened")  # conditions in which a returned unit can be sold again

Place = tuple[str, str | None]  # variant and warehouse
Key = tuple[str, str, str | None]  # organization, variant and warehouse
Data = dict[str, Any]


class Message(Protocol):
    """What a consumer reads of a message."""

    @property
    def id(self) -> str:
        """The property `message_id`."""

    @property
    def place(self) -> tuple[str, int]:
        """The headers `x-stream` and `x-sequence`."""

    @property
    def body(self) -> bytes | str: ...


class Level(NamedTuple):
    """Units of a variant in a warehouse. `on_hand` is the change since the first message."""

    reserved: int = 0
    committed: int = 0
    on_hand: int = 0


class Order:
    """What Inventory holds for one order, and what has left and come back, from its messages."""

    def __init__(self, events: Iterable[Data]) -> None:
        self.held: Counter[Place] = Counter()
        self.on_hand: Counter[Place] = Counter()
        self.is_confirmed = False
        for event in events:
            self._apply(event["event"], event["data"])

    def _apply(self, name: str, data: Data) -> None:
        match name:
            case "order.placed":
                self.held = units(data["items"], "preferred_warehouse_id")
            case "order.reserved":
                self.held = units(data["allocations"])
            case "order.backorder_reserved":
                self.held.update(units(data["allocations"]))
            case "order.confirmed":
                self.held = units(data["items"])
                self.is_confirmed = True
            case "order.cancelled":
                self.held.subtract(units(data["stock_to_release"]))
            case "order.shipped":
                self.held.subtract(units(data["shipped_items"]))
                self.on_hand.subtract(units(data["shipped_items"]))
            case "return.received":
                sound = [u for u in data["returned_items"] if u["condition"] in RESTOCKED]
                self.on_hand.update(units_in(data["warehouse_id"], sound))
            case "order.units_written_off" | "order.units_recovered":
                self.held.subtract(units(data["items"]))
            case "order.units_reopened":
                self.held.update(units(data["items"]))
            case "fulfillment.units_moved":
                self.held.subtract(units_in(data["warehouse_id"], data["items"]))
                self.held.update(units_in(data["to_warehouse_id"], data["items"]))

    def levels(self) -> dict[Place, Level]:
        """Return what is not zero, by variant and warehouse."""
        state = "committed" if self.is_confirmed else "reserved"
        levels: dict[Place, Level] = {}
        for place in self.held.keys() | self.on_hand.keys():
            level = Level(on_hand=self.on_hand[place])._replace(**{state: self.held[place]})
            if any(level):
                levels[place] = level
        return levels


class Inventory:
    """Feed it messages, in any order and more than once; then ask for its stock."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._streams: defaultdict[str, dict[int, Data]] = defaultdict(dict)

    def feed(self, message: Message) -> None:
        """Take a message, once. Its place in the stream counts, not when it arrives."""
        if message.id in self._seen:
            return
        self._seen.add(message.id)
        stream, sequence = message.place
        assert sequence not in self._streams[stream], "two messages with one sequence"
        self._streams[stream][sequence] = json.loads(message.body)

    def orders(self) -> dict[str, Order]:
        """Return all orders by their id."""
        return {
            stream: Order(events[sequence] for sequence in sorted(events))
            for stream, events in self._streams.items()
        }

    def stock(self) -> dict[Key, Level]:
        """Return the stock of every organization, variant and warehouse that is not zero."""
        organizations = {
            stream: next(iter(events.values()))["organization_id"]
            for stream, events in self._streams.items()
        }
        return add_up((organizations[key], order.levels()) for key, order in self.orders().items())

    def reservations(self, warehouse_id: str) -> Iterator[tuple[str, Data]]:
        """Yield the id of each order that waits for an answer, with the body of the answer.

        Every unit is reserved in its preferred warehouse, or in the given one.
        """
        for stream, events in self._streams.items():
            names = {event["event"]: event["data"] for event in events.values()}
            if "order.placed" in names and not names.keys() & {"order.reserved", "order.cancelled"}:
                places = units(names["order.placed"]["items"], "preferred_warehouse_id")
                reserved: Counter[Place] = Counter()
                for (variant, preferred), quantity in places.items():
                    reserved[variant, preferred or warehouse_id] += quantity
                allocations = [
                    {"variant_id": variant, "warehouse_id": warehouse, "quantity": quantity}
                    for (variant, warehouse), quantity in reserved.items()
                ]
                yield stream, {"reservation_id": f"res_{stream}", "allocations": allocations}


def add_up(levels: Iterable[tuple[str, Mapping[Place, Level]]]) -> dict[Key, Level]:
    """Sum up the levels of orders, each with its organization; leave out what is zero."""
    sums: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for organization, places in levels:
        for place, level in places.items():
            sums[organization, *place].update(level._asdict())
    return {key: Level(**counts) for key, counts in sums.items() if any(counts.values())}


def units(items: Iterable[Data], warehouse: str = "warehouse_id") -> Counter[Place]:
    """Sum up items by variant and by the warehouse that each names."""
    counts: Counter[Place] = Counter()
    for item in items:
        counts[item["variant_id"], item[warehouse]] += item["quantity"]
    return counts


def units_in(warehouse_id: str | None, items: Iterable[Data]) -> Counter[Place]:
    """Sum up items of one warehouse by variant."""
    return units({**item, "warehouse_id": warehouse_id} for item in items)
