"""What other contexts' facts make orders do, and the orders' timer."""

from contextlib import suppress

from celery import shared_task

import returns.selectors
import shipments.selectors
from events.errors import Conflict
from events.models import Event
from events.reactions import reacts_to
from events.timers import moment
from fulfillment.events import FulfillmentStarted, FulfillmentUnitsShort
from orders import selectors, services
from orders.models import Order
from payments.events import PaymentFailed, PaymentMismatched, PaymentSucceeded
from returns.events import ReturnReceived
from shipments.events import (
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentLost,
    ShipmentReturnedToSender,
)


@reacts_to(PaymentSucceeded)
def confirm_paid_order(fact: PaymentSucceeded, about: Event) -> None:
    """One that was cancelled meanwhile, or paid before, payments give the money back for."""
    with suppress(Conflict):
        services.confirm_order(order_id=fact.order_id, payment_id=fact.payment_id)


@reacts_to(PaymentFailed)
def cancel_unpayable_order(fact: PaymentFailed, about: Event) -> None:
    """After the last attempt."""
    if not fact.retries_remaining:
        services.cancel_unpayable_order(order_id=fact.order_id)


@reacts_to(PaymentMismatched)
def hold_mismatched_order(fact: PaymentMismatched, about: Event) -> None:
    """Somebody has to decide, unless the order has ended, or waits for somebody already."""
    note = (
        f"{fact.payment_id} brought {fact.captured} {fact.captured_currency} instead of "
        f"{fact.amount} {fact.currency}."
    )
    with suppress(Conflict):
        services.hold_order(order_id=fact.order_id, reason=Order.HoldReason.PAYMENT, note=note)


@reacts_to(FulfillmentStarted)
def start_processing(fact: FulfillmentStarted, about: Event) -> None:
    """The first warehouse to start; one that is cancelled meanwhile stays so."""
    with suppress(Conflict):
        services.start_processing(
            order_id=fact.order_id, warehouse_id=fact.warehouse_id, at=fact.started_at
        )


@reacts_to(FulfillmentUnitsShort)
def write_off_short_units(fact: FulfillmentUnitsShort, about: Event) -> None:
    """No warehouse has them, so their money goes back."""
    services.write_off_short_units(
        order_id=fact.order_id,
        units={item.order_item_id: item.quantity for item in fact.items},
    )


@reacts_to(ShipmentDispatched)
def ship_dispatched_units(fact: ShipmentDispatched, about: Event) -> None:
    """The customer hears what has left, and Inventory what to deduct."""
    shipment = shipments.selectors.get(fact.shipment_id)
    services.ship_units(
        order_id=shipment.order_id,
        shipment_id=fact.shipment_id,
        warehouse_id=fact.warehouse_id,
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        estimated_delivery=shipment.estimated_delivery,
        units=shipment.units,
        at=fact.dispatched_at,
    )


@reacts_to(ShipmentDelivered)
def deliver_arrived_units(fact: ShipmentDelivered, about: Event) -> None:
    """The proof of delivery becomes the order's."""
    shipment = shipments.selectors.get(fact.shipment_id)
    services.deliver_units(
        order_id=shipment.order_id,
        shipment_id=fact.shipment_id,
        signature=shipment.signature,
        photo_url=shipment.delivery_photo_url,
        at=fact.delivered_at,
    )


@reacts_to(ShipmentLost)
@reacts_to(ShipmentReturnedToSender)
def reopen_lost_units(fact: ShipmentLost | ShipmentReturnedToSender, about: Event) -> None:
    """They have not left, after all: they are sent again, or written off."""
    services.reopen_units(order_id=fact.order_id, shipment_id=fact.shipment_id)


@reacts_to(ReturnReceived)
def count_returned_units(fact: ReturnReceived, about: Event) -> None:
    """Whatever has come back and is not counted yet, of this receipt or of others."""
    order = selectors.lock(fact.order_id)
    received = returns.selectors.units_received(order.id)
    units = {line.id: received[line.id] - line.returned for line in order.lines}
    if units := {line: quantity for line, quantity in units.items() if quantity > 0}:
        services.count_returned_units(order_id=order.id, units=units)


@shared_task
def expire_unpaid_orders(now: str | None = None, organization_id: str | None = None) -> int:
    """Cancel orders that nobody has paid in time; `now` is ISO 8601."""
    return services.expire_unpaid_orders(
        now=moment(now),
        organization_id=organization_id,
    )
