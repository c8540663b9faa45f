"""Shipments come to be from what is packed, and end before they have left."""

from collections.abc import Mapping
from contextlib import suppress
from decimal import ROUND_UP, Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

import fulfillment.selectors
import orders.selectors
from config.core.exceptions import Conflict, DomainError
from config.core.money import exact
from shipments import selectors
from shipments.models import Shipment, ShipmentItem
from shipments.services.locks import lock_shipment, save

GRAM = Decimal("0.001")


class NotPacked(Conflict):
    """Only what is packed can be shipped."""

    code = "not_packed"


class NothingToShip(Conflict):
    """Everything that was packed is in a shipment already."""

    code = "nothing_to_ship"


class TooManyPackedUnits(DomainError):
    """More units than were packed, less those in other shipments."""

    code = "too_many_packed_units"


class CarrierRequired(DomainError):
    """The order names no carrier and service, so the shipment has to."""

    code = "carrier_required"


@transaction.atomic
def create_shipment(
    *,
    fulfillment_id: str,
    carrier: str | None = None,
    service: str | None = None,
    shipping_cost: Decimal | None = None,
    signature_required: bool | None = None,
    units: Mapping[str, int] | None = None,
) -> Shipment:
    """Let packed units travel together: `units` of which line, or all that are in no shipment.

    What is not given is as the order says; it pays its `shipping_cost` with its first live
    shipment. Raises NotPacked, NothingToShip, TooManyPackedUnits, CarrierRequired,
    OrderIsCancelled, InexactAmount.
    """
    order = orders.selectors.get_for_update(fulfillment.selectors.order_of(fulfillment_id))
    packed = fulfillment.selectors.get(fulfillment_id)
    order.expect_not_cancelled()
    if packed.status != packed.Status.PACKED:
        raise NotPacked(f"{fulfillment_id} is {packed.status}: pack it first.")
    units = _units(packed, units)
    carrier, service = carrier or order.carrier, service or order.service
    if not (carrier and service):
        raise CarrierRequired(f"{order.id} names no carrier and service: give both.")
    if shipping_cost is None:
        is_first = not selectors.live(order.id).exists()
        shipping_cost = order.shipping_cost if is_first else Decimal(0)
    if signature_required is None:
        signature_required = order.signature_required
    adapter, account = selectors.adapter_of(order.organization_id, carrier)
    shipment = Shipment.create(
        lines=[
            ShipmentItem(
                order_item_id=line.order_item_id,
                variant_id=line.variant_id,
                title=line.title,
                quantity=units[line.order_item_id],
            )
            for line in packed.lines
            if line.order_item_id in units
        ],
        organization_id=order.organization_id,
        order=order,
        fulfillment_id=fulfillment_id,
        warehouse_id=packed.warehouse_id,
        carrier=carrier,
        service=service,
        adapter=adapter,
        account=account,
        currency=order.currency,
        shipping_cost=exact(shipping_cost, order.currency),
        signature_required=signature_required,
        **_packages(packed, units),
    )
    save(shipment)
    return shipment


@transaction.atomic
def ship_packed_units(*, fulfillment_id: str) -> None:
    """Make the shipment that the order's carrier and service ask for, if there is one to make."""
    order = orders.selectors.get_for_update(fulfillment.selectors.order_of(fulfillment_id))
    if order.carrier and order.service and not order.is_cancelled():
        with suppress(NotPacked, NothingToShip):
            create_shipment(fulfillment_id=fulfillment_id)


@transaction.atomic
def cancel_shipment(*, shipment_id: str) -> Shipment:
    """It will not travel: what is in it stays packed, and its label goes back."""
    shipment = lock_shipment(shipment_id)
    if shipment.status != Shipment.Status.CANCELLED:
        shipment.cancel(reason="requested", at=timezone.now())
        save(shipment)
    return shipment


@transaction.atomic
def cancel_open_shipments(*, order_id: str) -> None:
    """The order is cancelled: what has not left stays here."""
    orders.selectors.get_for_update(order_id)
    for shipment_id in selectors.open_of(order_id):
        shipment = lock_shipment(shipment_id)
        shipment.cancel(reason="order_cancelled", at=timezone.now())
        save(shipment)


def _units(packed: Any, asked: Mapping[str, int] | None) -> Mapping[str, int]:
    """Return how many units of which line are to travel."""
    used = selectors.units_of(packed.id)
    left = {
        line.order_item_id: line.picked - used[line.order_item_id]
        for line in packed.lines
        if line.picked > used[line.order_item_id]
    }
    if not left:
        raise NothingToShip(f"Everything that is packed in {packed.id} is in a shipment already.")
    if asked is None:
        return left
    for item, quantity in asked.items():
        if quantity > left.get(item, 0):
            raise TooManyPackedUnits(
                f"{item}: {left.get(item, 0)} are packed in {packed.id} and in no shipment; "
                f"{quantity} were asked for."
            )
    return asked


def _packages(packed: Any, units: Mapping[str, int]) -> dict[str, Any]:
    """Return the packages, if everything travels in them.

    Nobody has said which of them holds a part: that is a parcel of its share of the weight.
    """
    total = Decimal(packed.total_weight)
    everything = sum(line.picked for line in packed.lines)
    part = sum(units.values())
    if part == everything:
        return {"packages": packed.packages, "weight": total}
    weight = (total * part / everything).quantize(GRAM, ROUND_UP)
    return {"packages": [{"weight": str(weight)}], "weight": weight}
