"""An order and all that belongs to it, as the API shows it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.flows.lives.client import Client

Row = dict[str, Any]
# The organizations that confirm only what Inventory has reserved.
POLICIES = {"org_2": "required", "org_3": "backorder"}
DECIMALS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}


@dataclass(frozen=True)
class State:
    order: Row
    payments: list[Row]
    fulfillments: list[Row]
    shipments: list[Row]
    returns: list[Row]
    invoices: list[Row]

    @classmethod
    def read(cls, client: Client, order_id: str) -> "State":
        """Read it row by row: other requests may change it in between."""

        def rows(resource: str, *, if_: object = True) -> list[Row]:
            return client.rows(f"/{resource}?order={order_id}") if if_ else []

        order = client.get(f"/orders/{order_id}")
        fulfillments = rows("fulfillments", if_=order["confirmed_at"])
        shipments = rows("shipments", if_=fulfillments)
        is_delivered = any(line["delivered"] for line in order["items"])
        came_back = any(each["status"] == "returned_to_sender" for each in shipments)
        return cls(
            order=order,
            payments=rows("payments"),
            fulfillments=fulfillments,
            shipments=shipments,
            returns=rows("returns", if_=is_delivered or came_back),
            invoices=rows("invoices", if_=order["status"] == "delivered"),
        )

    def rows(self, resource: str) -> list[Row]:
        return [self.order] if resource == "orders" else getattr(self, resource)

    def units_to_ship(self, fulfillment: Row) -> Counter[str]:
        """Return the packed units that are in no shipment yet, by order line."""
        units = Counter({line["order_item_id"]: line["picked"] for line in fulfillment["items"]})
        for shipment in self.shipments:
            is_of_it = shipment["fulfillment_id"] == fulfillment["id"]
            if is_of_it and shipment["status"] != "cancelled":
                units -= units_of(shipment)
        return units if fulfillment["status"] == "packed" else Counter()

    def units_to_return(self) -> Counter[str]:
        """Return the delivered units that are in no return yet, by order line."""
        units = Counter({line["id"]: line["delivered"] for line in self.order["items"]})
        for each in self.returns:
            if each["status"] not in ("rejected", "cancelled") and not each["shipment_id"]:
                units -= units_of(each)
        return +units


def units_of(row: Row) -> Counter[str]:
    """Return the quantities of a shipment or a return by order line."""
    return Counter({line["order_item_id"]: line["quantity"] for line in row["items"]})
