"""Create shipments from packed units, and cancel them before they are dispatched."""

from collections.abc import Mapping
from contextlib import suppress
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING

from django.utils import timezone

import fulfillment.selectors
import orders.selectors
from config.core import request_context
from config.core.money import exact
from config.core.unit_of_work import unit_of_work
from shipments import selectors
from shipments.exceptions import CarrierRequired, NothingToShip, NotPacked, TooManyPackedUnits
from shipments.models import Shipment, ShipmentItem

if TYPE_CHECKING:
    from fulfillment.models import Fulfillment

GRAM = Decimal("0.001")


@unit_of_work()
def create_shipment(
    *,
    fulfillment_id: str,
    carrier: str | None = None,
    service: str | None = None,
    shipping_cost: Decimal | None = None,
    signature_required: bool | None = None,
    units: Mapping[str, int] | None = None,
) -> Shipment:
    """Create a shipment of packed units: of `units` by id of the order's line, or of all others.

    The order has the defaults. Its `shipping_cost` is the default of its first active shipment,
    0 that of the others. Raises NotPacked, NothingToShip, TooManyPackedUnits, CarrierRequired,
    OrderIsCancelled, InexactAmount.
    """
    packed = fulfillment.selectors.get_for_update(fulfillment_id)
    order = packed.order
    order.expect_not_cancelled()
    if packed.status != packed.Status.PACKED:
        raise NotPacked(f"{fulfillment_id} is {packed.status}: pack it first.")
    units = _units(packed, units)
    carrier, service = carrier or order.carrier, service or order.service
    if not (carrier and service):
        raise CarrierRequired(f"{order.id} has no carrier and service: give both.")
    if shipping_cost is None:
        is_first = all(each.is_cancelled for each in selectors.of_order_for_update(order))
        shipping_cost = order.shipping_cost if is_first else Decimal(0)
    if signature_required is None:
        signature_required = order.signature_required
    adapter, account = selectors.adapter_for(order.organization_id, carrier)
    packages, weight = _packages(packed, units)
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
        packages=packages,
        weight=weight,
    )
    shipment.save()
    return shipment


@unit_of_work()
def ship_packed_units(*, fulfillment_id: str) -> None:
    """Create the shipment of a fulfillment, if the order has a carrier and a service."""
    order = fulfillment.selectors.get_for_update(fulfillment_id).order
    if order.carrier and order.service and not order.is_cancelled():
        with suppress(NotPacked, NothingToShip):
            create_shipment(fulfillment_id=fulfillment_id)


@unit_of_work()
def cancel_shipment(*, shipment_id: str) -> Shipment:
    """Cancel a shipment that is not dispatched: its units stay packed, its label is voided."""
    shipment = selectors.get_for_update(shipment_id)
    if shipment.status != Shipment.Status.CANCELLED:
        shipment.cancel(reason="requested", at=timezone.now())
        shipment.save()
    return shipment


@unit_of_work()
def cancel_open_shipments(*, order_id: str) -> None:
    """Cancel the shipments of a cancelled order that are not dispatched."""
    order = orders.selectors.get_for_update(order_id)
    for shipment in selectors.of_order_for_update(order):
        if shipment.status in Shipment.OPEN:
            shipment.cancel(reason="order_cancelled", at=request_context.now())
            shipment.save()


def _units(packed: "Fulfillment", requested: Mapping[str, int] | None) -> Mapping[str, int]:
    """Return the quantities to ship, by id of the order's line."""
    shipped = selectors.shipped_units(packed.order, packed.id)
    remaining = {
        line.order_item_id: line.picked_quantity - shipped[line.order_item_id]
        for line in packed.lines
        if line.picked_quantity > shipped[line.order_item_id]
    }
    if not remaining:
        raise NothingToShip(f"All packed units of {packed.id} are in a shipment already.")
    if requested is None:
        return remaining
    for item, quantity in requested.items():
        if quantity > remaining.get(item, 0):
            raise TooManyPackedUnits(
                f"{item}: the request has {quantity} units, but only {remaining.get(item, 0)} are "
                f"packed in {packed.id} and not yet in a shipment."
            )
    return requested


def _packages(
    packed: "Fulfillment", units: Mapping[str, int]
) -> tuple[list[dict[str, str | None]], Decimal]:
    """Return the packages and their total weight in kilograms.

    It is not known which package holds which units. So a part of the units becomes one package
    with its share of the weight.
    """
    assert packed.total_weight is not None, "it is packed"
    total = packed.total_weight
    packed_quantity, quantity = (
        sum(line.picked_quantity for line in packed.lines),
        sum(units.values()),
    )
    if quantity == packed_quantity:
        return packed.packages, total
    weight = (total * quantity / packed_quantity).quantize(GRAM, ROUND_UP)
    return [{"weight": str(weight)}], weight
