"""An effect directly follows its cause, and none comes before it or twice.

The exception are streams on which a reaction failed: its effects come when it is retried.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from tests.consumers.inventory import EXTENSIONS
from tests.flows.lives.evidence import Event, Evidence, Finding, named
from tests.flows.lives.state import POLICIES, Row

# Each effect, what comes earlier in its stream, and the field that both share, if there is one.
EARLIER = [
    ("order.placed", "order.created", None),
    ("order.confirmed", "order.placed", None),
    ("order.processing", "fulfillment.started", None),
    ("order.shipped", "shipment.dispatched", "shipment_id"),
    ("order.delivered", "order.shipped", None),
    ("payment.succeeded", "payment.pending", "payment_id"),
    ("payment.refunded", "payment.succeeded", "payment_id"),
    ("fulfillment.started", "order.confirmed", None),
    ("fulfillment.item_picked", "fulfillment.started", None),
    ("fulfillment.packed", "fulfillment.item_picked", None),
    ("shipment.created", "fulfillment.packed", None),
    ("shipment.label_created", "shipment.created", "shipment_id"),
    ("shipment.dispatched", "shipment.created", "shipment_id"),
    ("shipment.in_transit", "order.shipped", "shipment_id"),
    ("shipment.delivered", "order.shipped", "shipment_id"),
    ("return.approved", "return.requested", "return_id"),
    ("return.received", "return.requested", "return_id"),
    ("return.refunded", "return.received", "return_id"),
    ("invoice.created", "order.confirmed", None),
    ("invoice.sent", "invoice.created", "invoice_id"),
    ("cart.item_added", "cart.created", None),
    ("cart.converted", "cart.created", None),
]
# Events that come at most once for each value of a field.
ONCE = [
    *((f"order.{action}", "order_id") for action in ("created", "placed", "confirmed")),
    *((f"order.{action}", "order_id") for action in ("cancelled", "processing", "delivered")),
    ("order.shipped", "shipment_id"),
    ("invoice.created", "invoice_id"),
    *((f"shipment.{action}", "shipment_id") for action in ("created", "label_created")),
    *((f"shipment.{action}", "shipment_id") for action in ("dispatched", "delivered")),
    *((f"return.{action}", "return_id") for action in ("requested", "approved", "refunded")),
    ("cart.created", "cart_id"),
    ("cart.converted", "cart_id"),
]
# Events, and the ones that never come after them.
LAST = {
    "order.cancelled": (
        *("order.placed", "order.confirmed", "order.processing", "order.shipped"),
        *("fulfillment.started", "fulfillment.item_picked", "fulfillment.packed"),
        *("shipment.created", "shipment.label_created", "shipment.dispatched"),
    ),
    "cart.converted": ("cart.item_added", "cart.abandoned"),
}
# Effects that an event of the stream directly before must have caused.
DIRECT = {
    "order.shipped": ("shipment.dispatched",),
    "order.processing": ("fulfillment.started",),
    "order.confirmed": ("payment.succeeded", "order.placed", "order.reserved"),
}


def effects_follow_their_causes(evidence: Evidence) -> Iterator[Finding]:
    moved = [(row["order_id"], row["moved_from"]) for row in evidence.rows["payments"]]
    for stream, events in evidence.events.items():
        # The money of an order that it replaces was captured in the stream of that one.
        seen = {("payment.succeeded", paid_by) for order, paid_by in moved if order == stream}
        for event in events:
            for effect, cause, key in EARLIER:
                if event.name == effect and (cause, key and event.data[key]) not in seen:
                    yield stream, f"{place(event)} came before its {cause}"
            ids = {event.data[key] for _, _, key in EARLIER if key and key in event.data}
            seen |= {(event.name, value) for value in (None, *ids)}


def nothing_happens_twice(evidence: Evidence) -> Iterator[Finding]:
    once = dict(ONCE)
    for stream, events in evidence.events.items():
        counted = Counter(
            (event.name, event.data.get(once[event.name])) for event in events if event.name in once
        )
        for (name, value), count in counted.items():
            if count > 1:
                yield stream, f"{count} × {name} of {value}"


def nothing_follows_an_end(evidence: Evidence) -> Iterator[Finding]:
    for stream, events in evidence.events.items():
        ended: Event | None = None
        delivered = set[str]()
        for event in events:
            if ended and event.name in LAST[ended.name]:
                yield stream, f"{place(event)} came after {place(ended)}"
            if event.name in LAST:
                ended = event
            if event.name == "shipment.delivered":
                delivered.add(event.data["shipment_id"])
            if event.name == "shipment.in_transit" and event.data["shipment_id"] in delivered:
                yield stream, f"{place(event)} came after the delivery"


def nothing_is_picked_on_hold(evidence: Evidence) -> Iterator[Finding]:
    """What is in a van goes on, so a shipment may be dispatched by a carrier's scan."""
    picking = ("fulfillment.started", "fulfillment.item_picked", "fulfillment.packed")
    for order in evidence.orders:
        is_held = False
        for event in evidence.story(order):
            if is_held and event.name in picking:
                yield order["id"], f"{place(event)} came while it was on hold"
            if event.name in ("order.held", "order.released"):
                is_held = event.name == "order.held"


def declines_count_down(evidence: Evidence) -> Iterator[Finding]:
    """An order has three attempts, and those that are under way when the third is declined."""
    for stream, events in evidence.events.items():
        left = [event.data["retries_remaining"] for event in named("payment.failed", events)]
        if left != [max(2 - n, 0) for n in range(len(left))]:
            yield stream, f"retries_remaining is {left} in its payment.failed"


def effects_directly_follow_their_causes(evidence: Evidence) -> Iterator[Finding]:
    """Look from each effect back to the event before it.

    An operator's release, which is internal, confirms an order that waited in vain.
    """
    released = {
        (order["id"], event.sequence)
        for order in evidence.orders
        for before, event in pairwise(evidence.story(order))
        if (before.name, event.name) == ("order.released", "order.confirmed")
    }
    for stream, events in evidence.events.items():
        if stream in evidence.failed_reactions:
            continue
        for before, event in pairwise(events):
            is_direct = before.name in DIRECT.get(event.name, (before.name,))
            if not is_direct and (stream, event.sequence) not in released:
                yield stream, f"before {place(event)} came {place(before)}, which did not cause it"


def only_reserved_orders_are_confirmed(evidence: Evidence) -> Iterator[Finding]:
    """If the policy says so, unless an operator has released an order that waited in vain."""
    for order in evidence.orders:
        if order["organization_id"] not in POLICIES:
            continue
        may_be_confirmed = False
        for event in evidence.story(order):
            may_be_confirmed |= event.name in ("order.reserved", "order.released")
            if event.name == "order.confirmed" and not may_be_confirmed:
                yield order["id"], f"{place(event)} came before its reservation"


def causes_have_their_effects(evidence: Evidence) -> Iterator[Finding]:
    """Look from each cause to the event after it."""
    for order in evidence.orders:
        if order["id"] in evidence.failed_reactions:
            continue
        story = Story(order)
        entries = evidence.story(order)
        for n, event in enumerate(entries):
            expected = story.effect_of(event, entries[n + 1 :])
            after = next((each for each in entries[n + 1 :] if is_specified(each)), None)
            if expected and (after is None or not is_effect(after, expected, event)):
                came = place(after) if after else "nothing"
                yield order["id"], f"after {place(event)} came {came}, not {expected}"


class Story:
    """What an order's events say so far, and so what the next event must cause."""

    def __init__(self, order: Row) -> None:
        self.has_carrier = bool(order["shipping"]["carrier"] and order["shipping"]["service"])
        self.needs_reservation = order["organization_id"] in POLICIES
        self.total = self.captured = Decimal(0)
        self.names = Counter[str]()
        self.hold: str | None = None
        self.active = self.delivered = 0  # units
        self.parcels: dict[str, int] = {}
        self.open_refunds: defaultdict[str, set[str]] = defaultdict(set)  # by return

    def effect_of(self, event: Event, later: list[Event]) -> str | None:
        """Count the event, and return what must come next, or None for anything."""
        data, is_first = event.data, event.name not in self.names
        self.names[event.name] += 1
        match event.name:
            case "order.created":
                self.total, self.active = data["total_amount"], data["items_count"]
            case "order.placed" if not self.total and not self.needs_reservation:
                return "order.confirmed"
            case "order.reserved" if self.names["order.paid"]:
                return None if self.names["order.confirmed"] else "order.confirmed"
            case "order.held":
                self.hold = data.get("reason")
            case "order.released" if self.hold == "reservation":
                return "order.confirmed"
            case "order.units_written_off":
                units = [*data["items"], *data["backordered"]]
                self.active -= sum(item["quantity"] for item in units)
            case "order.shipped":
                units = sum(item["quantity"] for item in data["shipped_items"])
                self.parcels[data["shipment_id"]] = units
            case "payment.succeeded" | "payment.moved":
                self.captured += data["amount"]
                waits = self.names["order.placed"] and not self.names["order.confirmed"]
                waits = waits and not self.names["order.cancelled"]
                is_ready = not self.needs_reservation or self.names["order.reserved"]
                if waits and is_ready and self.captured >= self.total:
                    return "order.confirmed"
            case "refund.requested" if data["cause"]:
                self.open_refunds[data["cause"]].add(data["refund_id"])
            case "payment.refunded" if data["refund_reason"] == "customer_return":
                # The internal event that comes with it names the return.
                settled = next(each for each in later if each.name == "refund.succeeded").data
                self.open_refunds[settled["cause"]].discard(settled["refund_id"])
                return None if self.open_refunds[settled["cause"]] else "return.refunded"
            case "refund.succeeded" | "refund.failed" if data["cause"]:
                self.open_refunds[data["cause"]].discard(data["refund_id"])
            case "fulfillment.started" if is_first:
                return "order.processing"
            case "fulfillment.packed" if self.has_carrier:
                return "shipment.created"
            case "shipment.dispatched":
                return "order.shipped"
            case "order.units_reopened":
                self.parcels[data["shipment_id"]] -= sum(each["quantity"] for each in data["items"])
            case "shipment.delivered":
                arrived = self.parcels.get(data["shipment_id"], 0)
                # Of a lost shipment, only the units that are not picked again count.
                for found in named("order.units_recovered", later):
                    if found.data["shipment_id"] == data["shipment_id"]:
                        arrived += sum(item["quantity"] for item in found.data["items"])
                self.delivered += arrived
                is_last = arrived and self.delivered == self.active
                return "order.delivered" if is_last else None
        return None


def is_specified(event: Event) -> bool:
    """Return whether it is published, and not only because Inventory's queue names it."""
    return event.sequence > 0 and event.name not in EXTENSIONS


def is_effect(event: Event, expected: str, cause: Event) -> bool:
    """Return whether it is the expected event, about the same shipment if both name one."""
    shipments = {each.data["shipment_id"] for each in (event, cause) if "shipment_id" in each.data}
    return event.name == expected and len(shipments) <= 1


def place(event: Event) -> str:
    return f"{event.sequence} {event.name}" if event.sequence else event.name


JUDGES = [
    effects_follow_their_causes,
    nothing_happens_twice,
    nothing_follows_an_end,
    nothing_is_picked_on_hold,
    declines_count_down,
    effects_directly_follow_their_causes,
    only_reserved_orders_are_confirmed,
    causes_have_their_effects,
]
