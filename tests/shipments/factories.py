"""Shipments in every status, made by the services that warehouses, carriers and operators use."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import factory
from django.db import connection
from django.utils import timezone

from fulfillment.models import Fulfillment
from orders.services import lifecycle as order_lifecycle
from shipments import selectors
from shipments.models import Shipment
from shipments.services import creation, label_purchase, labels, lifecycle
from tests.fulfillment.factories import FulfillmentFactory, fulfillments, order_in, reach
from tests.reacting import as_rows

TO = {"carrier": "FedEx", "service": "Ground"}
BY_HAND = {**TO, "carrier": "manual"}
STEPS = {  # to each status
    "label_created": ("label",),
    "dispatched": ("label", "dispatch"),
    "in_transit": ("label", "dispatch", "in_transit"),
    "exception": ("label", "dispatch", "exception"),
    "delivered": ("label", "dispatch", "delivered"),
    "lost": ("label", "dispatch", "lost"),
    "returned_to_sender": ("label", "dispatch", "returned_to_sender"),
}


def packed(*quantities: int, **order: Any) -> Fulfillment:
    """Return the packed fulfillment of a new order; the fields are the order's."""
    if "items" in order:
        return FulfillmentFactory(status="packed", **order)
    made = order_in(*({"wh_1": quantity} for quantity in quantities or (2,)), **order)
    return reach(fulfillments(made)[0], "packed")


def create(fulfillment: Fulfillment | None = None, **given: Any) -> Shipment:
    """Create a shipment of all packed units, or of the given `units`."""
    fulfillment = fulfillment or packed()
    return creation.create_shipment(fulfillment_id=fulfillment.id, **{**TO, **given})


def label(shipment: Shipment, **given: Any) -> Shipment:
    """Buy its label, or enter one if its adapter is `manual`."""
    if shipment.adapter == "manual":
        given = {
            "tracking_number": f"N{shipment.id[-12:]}",
            "label_url": "https://x.test/l",
            **given,
        }
        given.setdefault("carrier_cost", Decimal("12.50"))
    labels.label_shipment(shipment_id=shipment.id, **given)
    label_purchase.call_carrier(shipment_id=shipment.id)
    return selectors.get(shipment.id)


def dispatch(shipment: Shipment, **given: Any) -> Shipment:
    return lifecycle.dispatch_shipment(shipment_id=shipment.id, **given)


def scan(shipment: Shipment, status: str, at: datetime | None = None, **given: Any) -> Shipment:
    """Record a new scan, unless `scan_id` is given, or None."""
    given = {"scan_id": str(uuid4()), "occurred_at": at or timezone.now(), **given}
    return lifecycle.record_scan(shipment_id=shipment.id, status=status, **given)


def aged(shipment: Shipment, hours: float = 24) -> Shipment:
    """Move its creation and its dispatch into the past."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE shipments_shipment SET created_at = created_at - %(ago)s, "
            "dispatched_at = dispatched_at - %(ago)s WHERE id = %(id)s",
            {"ago": timedelta(hours=hours), "id": shipment.id},
        )
    return selectors.get(shipment.id)


class ShipmentFactory(factory.Factory):
    """A shipment of a new order with the given `status`; other fields are the order's.

    `by` is its carrier and service: `TO` (the sandbox) or `BY_HAND`.
    """

    class Meta:
        model = Shipment

    organization_id = "org_1"
    status = "created"
    by = TO

    @classmethod
    def _create(
        cls, model: type[Shipment], *, status: str, by: dict[str, str], **fields: Any
    ) -> Shipment:
        shipment = create(packed(**fields), **by)
        if status == "cancelled":
            creation.cancel_shipment(shipment_id=shipment.id)
        for step in STEPS.get(status, ()):
            if step == "label":
                label(shipment)
            elif step == "dispatch":
                dispatch(shipment)
            else:
                scan(shipment, step)
        return selectors.get(shipment.id)


def long_ago(**given: Any) -> Shipment:
    """Return a shipment that is older than the times in the examples of request bodies."""
    return aged(ShipmentFactory(**given), hours=20 * 365 * 24)


def cancel_order(shipment: Shipment) -> None:
    """Cancel the order; the reactions to it stay pending."""
    with as_rows():
        order_lifecycle.cancel_order(order_id=shipment.order_id, reason="customer_request")
