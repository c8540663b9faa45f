"""What other contexts' events make fulfillments do."""

import shipments.selectors
from events.models import EventRecord
from events.reactions import reacts_to
from fulfillment import services
from orders.events import OrderCancelled, OrderConfirmed, OrderReserved, OrderUnitsWrittenOff
from shipments.events import ShipmentLost, ShipmentReturnedToSender


@reacts_to(OrderConfirmed)
def open_fulfillments(event: OrderConfirmed, about: EventRecord) -> None:
    """What is paid is sent."""
    services.plan_fulfillments(order_id=event.order_id)


@reacts_to(OrderReserved)
def follow_the_reservation(event: OrderReserved, about: EventRecord) -> None:
    """Inventory may answer after the order is confirmed, or think again."""
    services.plan_fulfillments(order_id=event.order_id)


@reacts_to(OrderUnitsWrittenOff)
def withdraw_written_off_units(event: OrderUnitsWrittenOff, about: EventRecord) -> None:
    """Nobody need look for them any more."""
    services.withdraw_written_off(order_id=event.order_id)


@reacts_to(OrderCancelled)
def cancel_fulfillments(event: OrderCancelled, about: EventRecord) -> None:
    """Nothing is to be sent."""
    services.cancel_fulfillments(order_id=event.order_id)


@reacts_to(ShipmentLost)
@reacts_to(ShipmentReturnedToSender)
def send_again(event: ShipmentLost | ShipmentReturnedToSender, about: EventRecord) -> None:
    """Unless somebody writes them off, the same units are picked once more."""
    shipment = shipments.selectors.get(event.shipment_id)
    services.lose_units(
        fulfillment_id=shipment.fulfillment_id,
        shipment_id=event.shipment_id,
        units=shipment.units,
    )
