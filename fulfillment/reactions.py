"""What fulfillments do when other contexts record an event."""

import shipments.selectors
from events.models import EventRecord
from events.reactions import reacts_to
from fulfillment import selectors, services
from orders.events import OrderCancelled, OrderConfirmed, OrderReserved, OrderUnitsWrittenOff
from shipments.events import ShipmentLost, ShipmentReturnedToSender


@reacts_to(OrderConfirmed)
def open_fulfillments(event: OrderConfirmed, about: EventRecord) -> None:
    """Plan a paid order's fulfillments."""
    services.plan_fulfillments(order_id=event.order_id)


@reacts_to(OrderReserved)
def follow_reservation(event: OrderReserved, about: EventRecord) -> None:
    """Plan again, if there is a plan: a reservation can come or change after the confirmation."""
    if selectors.of_order(event.order_id).exists():
        services.plan_fulfillments(order_id=event.order_id)


@reacts_to(OrderUnitsWrittenOff)
def withdraw_written_off_units(event: OrderUnitsWrittenOff, about: EventRecord) -> None:
    """Withdraw the units, so that nothing is picked that will not be sent."""
    services.withdraw_written_off(order_id=event.order_id, items=event.items)


@reacts_to(OrderCancelled)
def cancel_fulfillments(event: OrderCancelled, about: EventRecord) -> None:
    """Cancel the order's unpacked fulfillments."""
    services.cancel_fulfillments(order_id=event.order_id)


@reacts_to(ShipmentLost)
@reacts_to(ShipmentReturnedToSender)
def send_lost_units_again(
    event: ShipmentLost | ShipmentReturnedToSender, about: EventRecord
) -> None:
    """Assign the shipment's units to its warehouse again."""
    shipment = shipments.selectors.get(event.shipment_id)
    services.mark_units_lost(
        fulfillment_id=shipment.fulfillment_id,
        shipment_id=event.shipment_id,
        units=shipment.units,
    )
