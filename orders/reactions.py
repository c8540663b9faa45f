"""What orders do when an event of another context is recorded."""

from collections import Counter
from contextlib import suppress

import returns.selectors
import shipments.selectors
from events.aggregate import InvalidTransition
from events.models import EventRecord
from events.reactions import reacts_to
from fulfillment.events import (
    FulfillmentItemShort,
    FulfillmentStarted,
    FulfillmentUnitsLost,
    FulfillmentUnitsShort,
)
from orders import selectors
from orders.exceptions import NotFullyPaid
from orders.models import Order
from orders.services import goods, lifecycle
from payments.events import (
    PaymentAuthorized,
    PaymentDisputed,
    PaymentDisputeEnded,
    PaymentFailed,
    PaymentMismatched,
    PaymentMismatchResolved,
    PaymentMoved,
    PaymentSucceeded,
    PaymentTransferAwaited,
    PaymentVoided,
)
from returns.events import ReturnReceived
from shipments.events import ShipmentDelivered, ShipmentDispatched


@reacts_to(PaymentSucceeded)
def confirm_paid_order(event: PaymentSucceeded, about: EventRecord) -> None:
    """Confirm the order, or release it if another payment of it was lost.

    If it was cancelled or already paid, the payments context refunds the payment.
    """
    if not lifecycle.release_after_payment(order_id=event.order_id):
        with suppress(InvalidTransition, NotFullyPaid):
            lifecycle.confirm_order(order_id=event.order_id, payment_id=event.payment_id)


@reacts_to(PaymentMoved)
def confirm_replacement(event: PaymentMoved, about: EventRecord) -> None:
    """Confirm an order that the money of the replaced order pays."""
    with suppress(InvalidTransition, NotFullyPaid):
        lifecycle.confirm_order(order_id=event.order_id, payment_id=event.moved_from)


@reacts_to(PaymentAuthorized)
def confirm_authorized_order(event: PaymentAuthorized, about: EventRecord) -> None:
    """Confirm the order before the capture, if its organization wants that.

    Release it, if another payment of it was lost.
    """
    if not lifecycle.release_after_payment(order_id=event.order_id):
        with suppress(InvalidTransition, NotFullyPaid):
            lifecycle.confirm_authorized_order(order_id=event.order_id)


@reacts_to(PaymentVoided)
def hold_unsecured_order(event: PaymentVoided, about: EventRecord) -> None:
    """Send nothing while the payment of a confirmed order is not secured."""
    lifecycle.hold_unsecured_order(order_id=event.order_id)


@reacts_to(PaymentFailed)
def cancel_unpayable_order(event: PaymentFailed, about: EventRecord) -> None:
    """Cancel the order after the last attempt to pay it."""
    if not event.retries_remaining:
        lifecycle.cancel_unpayable_order(order_id=event.order_id)
    lifecycle.hold_unsecured_order(order_id=event.order_id)


@reacts_to(PaymentMismatched)
def hold_mismatched_order(event: PaymentMismatched, about: EventRecord) -> None:
    """Put the order on hold for an operator to decide, unless it is finished or on hold already."""
    note = (
        f"{event.payment_id} captured {event.captured} {event.captured_currency} instead of "
        f"{event.amount} {event.currency}."
    )
    with suppress(InvalidTransition):
        lifecycle.hold_order(order_id=event.order_id, reason=Order.HoldReason.PAYMENT, note=note)


@reacts_to(PaymentDisputed)
def hold_disputed_order(event: PaymentDisputed, about: EventRecord) -> None:
    """Send nothing more while the customer's bank takes the money back."""
    note = f"The customer disputes {event.amount} {event.currency}: {event.reason}."
    with suppress(InvalidTransition):
        lifecycle.hold_order(order_id=event.order_id, reason=Order.HoldReason.DISPUTE, note=note)


@reacts_to(PaymentDisputeEnded)
def release_after_dispute(event: PaymentDisputeEnded, about: EventRecord) -> None:
    """Release the hold of a dispute that is won. After a lost one, an operator decides."""
    if event.outcome == "won":
        lifecycle.release_after_dispute(order_id=event.order_id)


@reacts_to(PaymentMismatchResolved)
def release_after_mismatch(event: PaymentMismatchResolved, about: EventRecord) -> None:
    """Release the hold that a mismatched payment caused."""
    lifecycle.release_after_payment(order_id=event.order_id)


@reacts_to(PaymentTransferAwaited)
def extend_reservation(event: PaymentTransferAwaited, about: EventRecord) -> None:
    """Keep the order, and its stock reserved, for as long as the bank transfer may take."""
    lifecycle.extend_reservation(order_id=event.order_id, until=event.awaited_until)


@reacts_to(FulfillmentStarted)
def start_processing(event: FulfillmentStarted, about: EventRecord) -> None:
    """Move the order to `processing`, unless it is cancelled by now."""
    with suppress(InvalidTransition):
        goods.start_processing(
            order_id=event.order_id, warehouse_id=event.warehouse_id, at=event.started_at
        )


@reacts_to(FulfillmentItemShort)
def recover_arrived_units(event: FulfillmentItemShort, about: EventRecord) -> None:
    """Do not send again what is put back, if the lost shipment arrived in the meantime."""
    goods.recover_arrived_units(order_id=event.order_id)


@reacts_to(FulfillmentUnitsShort)
def write_off_short_units(event: FulfillmentUnitsShort, about: EventRecord) -> None:
    """Write off units that no warehouse has."""
    goods.write_off_unplanned_units(
        order_id=event.order_id,
        warehouse_id=event.warehouse_id,
        units={item.order_item_id: item.quantity for item in event.items},
        reason=Order.CancellationReason.OUT_OF_STOCK,
    )


@reacts_to(ShipmentDispatched)
def ship_dispatched_units(event: ShipmentDispatched, about: EventRecord) -> None:
    """Count the shipment's units as shipped."""
    shipment = shipments.selectors.get(event.shipment_id)
    goods.ship_units(
        order_id=shipment.order_id,
        shipment_id=event.shipment_id,
        warehouse_id=event.warehouse_id,
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        estimated_delivery=shipment.estimated_delivery,
        units=shipment.units,
        at=event.dispatched_at,
    )


@reacts_to(ShipmentDelivered)
def deliver_shipped_units(event: ShipmentDelivered, about: EventRecord) -> None:
    """Count the shipment's units as delivered, and copy its proof of delivery."""
    shipment = shipments.selectors.get(event.shipment_id)
    goods.deliver_units(
        order_id=shipment.order_id,
        shipment_id=event.shipment_id,
        signature=shipment.signature,
        photo_url=shipment.delivery_photo_url,
        at=event.delivered_at,
    )


@reacts_to(FulfillmentUnitsLost)
def reopen_lost_units(event: FulfillmentUnitsLost, about: EventRecord) -> None:
    """Count the units as not shipped, so that they can ship again; write off the unusable ones."""
    goods.reopen_units(
        order_id=event.order_id,
        shipment_id=event.shipment_id,
        units={item.order_item_id: item.quantity for item in event.items},
        warehouse_id=event.to_warehouse_id,
    )
    if event.unusable:
        goods.write_off_unplanned_units(
            order_id=event.order_id,
            warehouse_id=event.to_warehouse_id,
            units={item.order_item_id: item.quantity for item in event.unusable},
            reason=Order.CancellationReason.OTHER,
        )


@reacts_to(ReturnReceived)
def record_returned_units(event: ReturnReceived, about: EventRecord) -> None:
    """Count all received units that are not counted yet, of this receipt and of earlier ones."""
    order = selectors.get_for_update(event.order_id)
    received = returns.selectors.received_quantities(order)
    if units := received - Counter({line.id: line.returned for line in order.lines}):
        goods.record_returned_units(order_id=order.id, units=units)
