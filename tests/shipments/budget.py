"""The requests and the query budget of each route of shipments."""

from tests.architecture.sizes import lines
from tests.shipments.factories import BY_HAND, TO, ShipmentFactory, packed, scan

BASE = "/api/v1/shipments"


def listed(api, size):
    [ShipmentFactory(items=lines(size)) for _ in range(size)]
    return lambda: api.get(f"{BASE}?page_size=100")


def new(api, size):
    fulfillment = packed(*[2] * size)
    return lambda: api.post(BASE, {"fulfillment_id": fulfillment.id, **TO})


def of(verb, body=None, method="post", status="dispatched", by=TO):
    """Return a request about a shipment with many items, and with many scans if dispatched."""

    def endpoint(api, size):
        row = ShipmentFactory(items=lines(size), status=status, by=by)
        for _ in range(size if status == "dispatched" else 0):
            scan(row, "in_transit")
        json = {} if method == "get" else {"content_type": "application/json"}
        return lambda: getattr(api, method)(f"{BASE}/{row.id}{verb}", body, **json)

    return endpoint


BUDGET = {
    ("get", "shipment-list"): (listed, 4),
    ("post", "shipment-list"): (new, 8),
    ("get", "shipment-detail"): (of("", method="get"), 4),
    ("post", "shipment-label"): (of("/label", {}, status="created"), 23),
    ("get", "shipment-label"): (of("/label", method="get"), 4),
    ("post", "shipment-dispatch"): (of("/dispatch", {}, status="label_created"), 7),
    ("post", "shipment-scans"): (of("/scans", {"status": "in_transit"}), 8),
    ("post", "shipment-deliver"): (of("/deliver", {}), 7),
    ("post", "shipment-revoke-links"): (of("/revoke-links", {}, status="label_created"), 8),
    ("post", "shipment-cancel"): (of("/cancel", {}, status="created", by=BY_HAND), 7),
}
