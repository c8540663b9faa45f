"""Inventory, which knows its messages only, has the stock that the database says."""

from collections.abc import Iterator

from tests.consumers.inventory import Inventory
from tests.flows.lives.evidence import Evidence, Finding


def inventory_has_the_true_stock(evidence: Evidence) -> Iterator[Finding]:
    inventory = Inventory()
    unique = {message.place: message for message in reversed(evidence.messages)}
    for message in unique.values():
        inventory.feed(message)
    orders = inventory.orders()
    for stream in sorted(orders.keys() | evidence.stock.keys()):
        found = orders[stream].levels() if stream in orders else {}
        expected = evidence.stock.get(stream, {})
        for place in found.keys() | expected.keys():
            if found.get(place) != expected.get(place):
                yield stream, f"{place}: {found.get(place)}, in truth {expected.get(place)}"


JUDGES = [inventory_has_the_true_stock]
