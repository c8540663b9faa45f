"""What becomes of a confirmed order's units."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

import fulfillment.selectors
import payments.selectors
from orders import selectors
from orders.models import Order, UnknownShipment


@transaction.atomic
def start_processing(*, order_id: str, warehouse_id: str | None, at: datetime) -> Order:
    """The first warehouse has started; a second one changes nothing."""
    order = selectors.get_for_update(order_id)
    if order.processing_at and order.status != Order.Status.CANCELLED:
        return order
    order.start_processing(warehouse_id=warehouse_id, at=at)
    order.save()
    return order


@transaction.atomic
def ship_units(
    *,
    order_id: str,
    shipment_id: str,
    warehouse_id: str | None,
    carrier: str,
    tracking_number: str | None,
    estimated_delivery: date | None,
    units: Mapping[str, int],
    at: datetime,
) -> Order:
    """A shipment has left; `units` says how many of which line. Once per shipment.

    Raises UnknownItem, TooManyUnits, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    if order.dispatches.filter(shipment_id=shipment_id).exists():
        return order
    order.ship(
        shipment_id=shipment_id,
        warehouse_id=warehouse_id,
        carrier=carrier,
        tracking_number=tracking_number,
        estimated_delivery=estimated_delivery,
        units=units,
        at=at,
    )
    order.save()
    return order


@transaction.atomic
def deliver_units(
    *,
    order_id: str,
    shipment_id: str,
    signature: str | None,
    photo_url: str | None,
    at: datetime,
) -> Order:
    """A shipment has arrived. Once per shipment. Raises UnknownShipment."""
    order = selectors.get_for_update(order_id)
    dispatches = selectors.dispatches(order, shipment_id)
    if dispatches[0].reopened_at:
        raise UnknownShipment(f"{shipment_id} was lost or came back.")
    if not dispatches[0].delivered_at:
        order.deliver(dispatches=dispatches, signature=signature, photo_url=photo_url, at=at)
        order.save()
    return order


@transaction.atomic
def reopen_units(*, order_id: str, shipment_id: str) -> Order:
    """A shipment was lost or came back: its units may be sent again. Raises UnknownShipment."""
    order = selectors.get_for_update(order_id)
    dispatches = selectors.dispatches(order, shipment_id)
    if dispatches[0].delivered_at:
        raise UnknownShipment(f"{shipment_id} has been delivered.")
    if not dispatches[0].reopened_at:
        order.reopen_units(dispatches=dispatches, at=timezone.now())
        order.save()
    return order


@transaction.atomic
def write_off_units(*, order_id: str, units: Mapping[str, int], reason: str) -> Order:
    """Give up units that will never ship; `units` says how many of which line.

    Raises UnknownItem, TooManyUnits, UnitsArePicked, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    _write_off(order, units, reason, fulfillment.selectors.picked_quantities(order_id))
    return order


@transaction.atomic
def write_off_short_units(*, order_id: str, units: Mapping[str, int]) -> None:
    """Give up units that no warehouse has; those that were written off meanwhile only once.

    What is planned nowhere is what nobody has written off yet.
    """
    order = selectors.get_for_update(order_id)
    planned = fulfillment.selectors.planned_quantities(order_id)
    left = Counter({line.id: line.live - planned[line.id] for line in order.lines})
    if order.is_fulfillable() and (units := +(Counter(units) & left)):
        picked = fulfillment.selectors.picked_quantities(order_id)
        _write_off(order, units, Order.CancellationReason.OUT_OF_STOCK, picked)


def _write_off(order: Order, units: Mapping[str, int], reason: str, picked: Any) -> None:
    is_paid = payments.selectors.has_money(order.id)
    order.write_off(units=units, reason=reason, at=timezone.now(), is_paid=is_paid, picked=picked)
    order.save()


@transaction.atomic
def release_written_off_units(*, order_id: str) -> Order:
    """Tick off that Inventory has been told about everything that was written off."""
    order = selectors.get_for_update(order_id)
    if write_offs := selectors.unreleased(order):
        order.release_units(write_offs=write_offs, at=timezone.now())
        order.save()
    return order


@transaction.atomic
def count_returned_units(*, order_id: str, units: Mapping[str, int]) -> Order:
    """The customer has sent units back; `units` says how many of which line.

    Raises UnknownItem, TooManyUnits, InvalidTransition.
    """
    order = selectors.get_for_update(order_id)
    order.count_returned(units=units)
    order.save()
    return order
