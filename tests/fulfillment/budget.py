"""The budget of queries for each route of fulfillments."""

from tests.architecture.sizes import lines
from tests.fulfillment.factories import (
    PACKAGE,
    FulfillmentFactory,
    pick_all,
    reach,
    short,
)

BASE = "/api/v1/fulfillments"


def listed(api, size):
    [FulfillmentFactory() for _ in range(size - 1)]
    FulfillmentFactory(items=lines(size))
    return lambda: api.get(f"{BASE}?page_size=100")


def of(verb, body=None, method="post", status="started", before=None):
    """Return an endpoint that sends one request about a fulfillment with many lines."""

    def endpoint(api, size):
        row = FulfillmentFactory(items=lines(size), status=status)
        if before:
            before(row)
        sent = body(row) if callable(body) else body
        json = {} if method == "get" else {"content_type": "application/json"}
        return lambda: getattr(api, method)(f"{BASE}/{row.id}{verb}", sent, **json)

    return endpoint


def all_short(row):
    for n in range(len(row.lines)):
        short(row, n)


def cancelled(row):
    reach(row, "cancelled")


def one_scan(row):
    return {"order_item_id": row.lines[0].order_item_id, "quantity": 1, "scan_id": "scan_1"}


def one_of_each(row):
    return {"items": [{"order_item_id": line.order_item_id, "quantity": 1} for line in row.lines]}


BUDGET = {
    ("get", "fulfillment-list"): (listed, 2),
    ("get", "fulfillment-detail"): (of("", method="get"), 2),
    ("get", "fulfillment-pick-list"): (of("/pick-list", method="get"), 4),
    ("get", "fulfillment-packing-slip"): (of("/packing-slip", method="get"), 4),
    ("post", "fulfillment-start"): (of("/start", {}, status="open"), 6),
    ("post", "fulfillment-picks"): (of("/picks", one_scan), 9),
    ("post", "fulfillment-pack"): (of("/pack", {"packages": [PACKAGE]}, before=pick_all), 5),
    ("post", "fulfillment-move"): (
        of("/move", lambda row: {"warehouse_id": "wh_2", **one_of_each(row)}),
        10,
    ),
    ("post", "fulfillment-unpack"): (of("/unpack", {}, status="packed", before=cancelled), 5),
    ("post", "fulfillment-write-off"): (of("/write-off", one_of_each, before=all_short), 6),
}
