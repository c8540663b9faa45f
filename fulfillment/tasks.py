"""What other contexts' facts make fulfillment do."""

import shipments.selectors
from events.models import Event
from events.reactions import reacts_to
from fulfillment import services
from orders.events import OrderCancelled, OrderConfirmed, OrderReserved, OrderUnitsWrittenOff
from shipments.events import ShipmentLost, ShipmentReturnedToSender


@reacts_to(OrderConfirmed)
def open_fulfillments(fact: OrderConfirmed, about: Event) -> None:
    """What is paid is sent."""
    services.plan_fulfillments(order_id=fact.order_id)


@reacts_to(OrderReserved)
def follow_the_reservation(fact: OrderReserved, about: Event) -> None:
    """Inventory may answer after the order is confirmed, or think again."""
    services.plan_fulfillments(order_id=fact.order_id)


@reacts_to(OrderUnitsWrittenOff)
def withdraw_written_off_units(fact: OrderUnitsWrittenOff, about: Event) -> None:
    """Nobody need look for them any more."""
    services.withdraw_written_off(order_id=fact.order_id)


@reacts_to(OrderCancelled)
def cancel_fulfillments(fact: OrderCancelled, about: Event) -> None:
    """Nothing is to be sent."""
    services.cancel_fulfillments(order_id=fact.order_id)


@reacts_to(ShipmentLost)
@reacts_to(ShipmentReturnedToSender)
def send_again(fact: ShipmentLost | ShipmentReturnedToSender, about: Event) -> None:
    """Unless somebody writes them off, the same units are picked once more."""
    shipment = shipments.selectors.get(fact.shipment_id)
    services.lose_units(
        fulfillment_id=shipment.fulfillment_id,
        shipment_id=fact.shipment_id,
        units=shipment.units,
    )
