"""What fulfillments do when other contexts record an event."""

from collections.abc import Sequence

import shipments.selectors
from events.models import EventRecord
from events.reactions import reacts_to
from fulfillment import services
from orders.events import (
    LineUnits,
    OrderBackorderReserved,
    OrderCancelled,
    OrderConfirmed,
    OrderReserved,
    OrderUnitsRecovered,
    OrderUnitsWrittenOff,
)
from returns.events import ReturnParcelMissing, ReturnParcelReceived
from shipments.events import ShipmentLost


@reacts_to(OrderConfirmed)
def open_fulfillments(event: OrderConfirmed, about: EventRecord) -> None:
    """Plan a paid order's fulfillments."""
    services.plan_fulfillments(order_id=event.order_id, is_new=True)


@reacts_to(OrderReserved)
def follow_reservation(event: OrderReserved, about: EventRecord) -> None:
    """Plan again, if there is a plan: a reservation can come or change after the confirmation."""
    services.plan_fulfillments(order_id=event.order_id, is_new=False)


@reacts_to(OrderBackorderReserved)
def send_backordered_units(event: OrderBackorderReserved, about: EventRecord) -> None:
    """Assign the units to the warehouses that have reserved them."""
    services.assign_backordered(order_id=event.order_id, allocations=event.allocations)


@reacts_to(OrderUnitsWrittenOff)
def withdraw_written_off_units(event: OrderUnitsWrittenOff, about: EventRecord) -> None:
    """Withdraw the units, so that nothing is picked that will not be sent."""
    services.withdraw_units(order_id=event.order_id, items=event.items, reason="written_off")


@reacts_to(OrderCancelled)
def cancel_fulfillments(event: OrderCancelled, about: EventRecord) -> None:
    """Cancel the order's unpacked fulfillments."""
    services.cancel_fulfillments(order_id=event.order_id)


@reacts_to(ShipmentLost)
def send_lost_units_again(event: ShipmentLost, about: EventRecord) -> None:
    """Assign the shipment's units to its warehouse again."""
    _send_again(event.shipment_id, event.items)


@reacts_to(ReturnParcelReceived)
def send_received_units_again(event: ReturnParcelReceived, about: EventRecord) -> None:
    """Assign the usable units of a parcel that came back to the warehouse that received them."""
    _send_again(event.shipment_id, event.items, event.unusable, event.warehouse_id)


@reacts_to(ReturnParcelMissing)
def send_missing_units_again(event: ReturnParcelMissing, about: EventRecord) -> None:
    """Assign units of a parcel that did not come back to their warehouse again."""
    _send_again(event.shipment_id, event.items)


@reacts_to(OrderUnitsRecovered)
def withdraw_recovered_units(event: OrderUnitsRecovered, about: EventRecord) -> None:
    """Do not send units again whose shipment arrived after all."""
    services.recover_units(
        fulfillment_id=shipments.selectors.get(event.shipment_id).fulfillment_id,
        shipment_id=event.shipment_id,
        items=event.items,
    )


def _send_again(
    shipment_id: str,
    items: Sequence[LineUnits],
    unusable: Sequence[LineUnits] = (),
    warehouse_id: str | None = None,
) -> None:
    """Assign units of a shipment again, unless it has arrived by now."""
    shipment = shipments.selectors.get_for_update(shipment_id)
    if shipment.delivered_at is None:
        services.mark_units_lost(
            fulfillment_id=shipment.fulfillment_id,
            shipment_id=shipment_id,
            units=_units(items),
            unusable=_units(unusable),
            warehouse_id=warehouse_id,
        )


def _units(items: Sequence[LineUnits]) -> dict[str, int]:
    return {item.order_item_id: item.quantity for item in items}
