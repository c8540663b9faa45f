"""Every unit is in one state, and the counters of the API equal the events."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tests.flows.lives.evidence import Evidence, Finding, named
from tests.flows.lives.state import POLICIES, Row, units_of


def counters_are_in_order(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        for line in order["items"]:
            active = line["quantity"] - line["cancelled"] - line["backordered"]
            chain = [0, line["returned"], line["delivered"], line["shipped"], active]
            if chain != sorted(chain):
                yield order["id"], f"{line['id']} has returned ≤ delivered ≤ shipped ≤ {chain[1:]}"


def events_about_all_units_name_all_units(evidence: Evidence) -> Iterator[Finding]:
    """`order.placed` lists what was bought, `order.confirmed` what of it is not back-ordered."""
    for order in evidence.orders:
        expected = Counter[str]()
        for line in order["items"]:
            expected[line["variant_id"]] += line["quantity"]
        bought = +expected
        for event in evidence.events[order["id"]]:
            if event.name == "order.reserved":
                expected = bought - by_variant(event.data["backordered"])
            elif event.name == "order.backorder_reserved":
                expected += by_variant(event.data["allocations"])
            names_all = event.name in ("order.placed", "order.confirmed")
            if names_all and (units := by_variant(event.data["items"])) != expected:
                yield order["id"], f"{event.name} lists {units}, not {expected}"


def backordered_units_equal_the_events(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        expected = Counter[str]()
        for event in evidence.events[order["id"]]:
            match event.name:
                case "order.reserved":
                    expected = by_variant(event.data["backordered"])
                case "order.backorder_reserved":
                    expected.subtract(by_variant(event.data["allocations"]))
                case "order.units_written_off":
                    expected.subtract(by_variant(event.data["backordered"]))
                case "order.cancelled":
                    expected.clear()
        if any(expected.values()) and POLICIES.get(order["organization_id"]) != "backorder":
            yield order["id"], f"{expected} are back-ordered against the policy"
        yield from differences(order, "backordered", expected)


def shipped_units_equal_the_events(evidence: Evidence) -> Iterator[Finding]:
    """Each `order.shipped` has its shipment's units; they are shipped unless they are reopened."""
    for order in evidence.orders:
        parcels = {row["id"]: row for row in evidence.of("shipments", order)}
        for event in named("order.shipped", evidence.events[order["id"]]):
            units, parcel = (
                by_variant(event.data["shipped_items"]),
                parcels[event.data["shipment_id"]],
            )
            if units != by_variant(parcel["items"]):
                yield order["id"], f"{parcel['id']} has {parcel['items']}, its event {units}"
        shipped = shipped_units(evidence, order)
        yield from differences(order, "shipped", sum(shipped.values(), Counter[str]()))


def units_are_reopened_when_they_are_lost_or_received(evidence: Evidence) -> Iterator[Finding]:
    """Units of a parcel on its way back are shipped until a warehouse receives them."""
    for order in evidence.orders:
        shipped = shipped_units(evidence, order)
        back = {row["shipment_id"]: row for row in evidence.of("returns", order)}
        for parcel in evidence.of("shipments", order):
            units = by_variant(parcel["items"])
            if parcel["status"] == "returned_to_sender":
                row = back[parcel["id"]]
                units = by_variant(
                    each | {"quantity": each["quantity"] - each["received"]}
                    for each in row["items"]
                    if row["status"] == "approved"
                )
            elif parcel["status"] == "lost":
                units = Counter()
            elif parcel["status"] not in ("dispatched", "in_transit", "exception"):
                continue
            if +shipped[parcel["id"]] != +units:
                text = f"{parcel['id']} is {parcel['status']}, and {shipped[parcel['id']]} of it"
                yield order["id"], f"{text} are shipped, not {units}"


def delivered_units_equal_the_events(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        shipped = shipped_units(evidence, order)
        delivered = named("shipment.delivered", evidence.events[order["id"]])
        expected = sum((shipped[event.data["shipment_id"]] for event in delivered), Counter[str]())
        yield from differences(order, "delivered", expected)


def returned_units_equal_the_events(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        events = evidence.events[order["id"]]
        undelivered = {
            event.data["return_id"]
            for event in named("return.requested", events)
            if event.data["reason"] == "returned_to_sender"
        }
        received = [
            item
            for event in named("return.received", events)
            for item in event.data["returned_items"]
            if event.data["return_id"] not in undelivered
        ]
        yield from differences(order, "returned", by_variant(received))


def written_off_units_equal_the_events(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        variants = {line["id"]: line["variant_id"] for line in order["items"]}
        expected = Counter[str]()
        for event in named("order.units_written_off", evidence.story(order)):
            for item in [*event.data["items"], *event.data["backordered"]]:
                expected[variants[item["order_item_id"]]] += item["quantity"]
        yield from differences(order, "cancelled", expected)


def every_active_unit_is_in_one_fulfillment(evidence: Evidence) -> Iterator[Finding]:
    """Lost units are in another one again."""
    for order in evidence.orders:
        planned = Counter[str]()
        for row in evidence.of("fulfillments", order):
            if row["status"] != "cancelled":
                for line in row["items"]:
                    planned[line["order_item_id"]] += line["quantity"] - line["lost"]
        if order["confirmed_at"] and order["status"] != "cancelled":
            for line in order["items"]:
                active = line["quantity"] - line["cancelled"] - line["backordered"]
                if planned[line["id"]] != active:
                    text = f"{line['id']} has {active} units to send, and {planned[line['id']]} in"
                    yield order["id"], f"{text} fulfillments"


def shipments_have_packed_units_once(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        for row in evidence.of("fulfillments", order):
            picked = Counter({each["order_item_id"]: each["picked"] for each in row["items"]})
            for shipment in evidence.of("shipments", order):
                if shipment["fulfillment_id"] == row["id"] and shipment["status"] != "cancelled":
                    picked.subtract(units_of(shipment))
            if any(left < 0 for left in picked.values()):
                yield (
                    order["id"],
                    f"the shipments of {row['id']} have more than was picked: {picked}",
                )


def status_follows_from_the_units(evidence: Evidence) -> Iterator[Finding]:
    """An order is delivered if all its active units are, and has said so once."""
    for order in evidence.orders:
        active = sum(line["quantity"] - line["cancelled"] for line in order["items"])
        delivered = sum(line["delivered"] for line in order["items"])
        names = {event.name for event in evidence.events[order["id"]]}
        is_delivered = bool(active) and active == delivered
        if is_delivered != (order["status"] == "delivered"):
            yield order["id"], f"it is {order['status']}, with {delivered} of {active} delivered"
        for status in ("delivered", "cancelled"):
            if (order["status"] == status) != (f"order.{status}" in names):
                yield order["id"], f"it is {order['status']}, and its events are {sorted(names)}"


def differences(order: Row, counter: str, expected: Counter[str]) -> Iterator[Finding]:
    """Compare a counter of the order's lines with the units by variant."""
    found = Counter[str]()
    for line in order["items"]:
        found[line["variant_id"]] += line[counter]
    if +found != +expected:
        yield order["id"], f"{counter} is {+found} in the API, {+expected} by the events"


def shipped_units(evidence: Evidence, order: Row) -> dict[str, Counter[str]]:
    """Return the units that are shipped, by shipment; reopened ones are not."""
    variants = {line["id"]: line["variant_id"] for line in order["items"]}
    units = defaultdict[str, Counter[str]](Counter)
    for event in evidence.story(order):
        match event.name:
            case "order.shipped":
                units[event.data["shipment_id"]] += by_variant(event.data["shipped_items"])
            case "order.units_reopened" | "order.units_recovered":
                sign = 1 if event.name == "order.units_recovered" else -1
                for item in event.data["items"]:
                    variant = variants[item["order_item_id"]]
                    units[event.data["shipment_id"]][variant] += sign * item["quantity"]
    return units


def by_variant(items: Iterable[dict[str, Any]]) -> Counter[str]:
    units = Counter[str]()
    for item in items:
        units[item["variant_id"]] += item["quantity"]
    return units


JUDGES = [
    counters_are_in_order,
    events_about_all_units_name_all_units,
    backordered_units_equal_the_events,
    shipped_units_equal_the_events,
    units_are_reopened_when_they_are_lost_or_received,
    delivered_units_equal_the_events,
    returned_units_equal_the_events,
    written_off_units_equal_the_events,
    every_active_unit_is_in_one_fulfillment,
    shipments_have_packed_units_once,
    status_follows_from_the_units,
]
