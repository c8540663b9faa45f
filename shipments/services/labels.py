"""Labels: wanted of a carrier that sells them, or recorded where somebody has one in hand."""

from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from config.core.exceptions import DomainError
from config.core.money import exact
from shipments import selectors
from shipments.models import (
    Label,
    LabelNotByHand,
    Shipment,
    TrackingNumberRequired,
    TrackingNumberTaken,
)
from shipments.services.calling import call_carrier
from shipments.services.locks import lock_shipment, save

Status = Label.Status


class CarrierRefused(DomainError):
    """The carrier sells no label for this as it is; `detail` has its words. Ask again later."""

    code = "carrier_refused"


@transaction.atomic
def label_shipment(
    *,
    shipment_id: str,
    tracking_number: str | None = None,
    label_url: str | None = None,
    carrier_cost: Decimal | None = None,
) -> Shipment:
    """Record the label of a carrier without an adapter, or want one of a carrier with one.

    `carrier_cost` is in the order's currency. Raises TrackingNumberRequired, TrackingNumberTaken,
    LabelNotByHand, OrderIsCancelled, InexactAmount, InvalidTransition.
    """
    shipment = lock_shipment(shipment_id)
    if not shipment.is_labelled_by_hand():
        if (tracking_number, label_url, carrier_cost) != (None, None, None):
            raise LabelNotByHand(
                f"{shipment.carrier} sells the label of {shipment.id}: leave the fields out."
            )
        return _request_label(shipment)
    if tracking_number is None:
        raise TrackingNumberRequired(
            f"Nobody can ask {shipment.carrier} for the label of {shipment.id}: give its "
            "tracking_number, and label_url and carrier_cost if there are such."
        )
    label_url = label_url or ""
    if carrier_cost is not None:
        carrier_cost = exact(carrier_cost, shipment.currency)
    written = (shipment.tracking_number, shipment.label_url, shipment.carrier_cost)
    is_cancelled = shipment.status == Shipment.Status.CANCELLED
    if written == (tracking_number, label_url, carrier_cost) and not is_cancelled:
        return shipment
    shipment.order.expect_not_cancelled(shipment)
    shipment.write_label(
        tracking_number=tracking_number,
        label_url=label_url,
        carrier_cost=carrier_cost,
    )
    try:
        with transaction.atomic():
            save(shipment)
    except IntegrityError as error:
        raise TrackingNumberTaken(
            f"Another parcel is under way with {shipment.carrier} as {tracking_number}."
        ) from error
    return shipment


@transaction.atomic
def ask_again(*, shipment_id: str) -> Shipment:
    """Somebody wants to know at once what the timers would ask later.

    What is being asked at this moment is not asked again. A carrier that has refused to take a
    label back is asked once more.
    """
    shipment, now = lock_shipment(shipment_id), timezone.now()
    for label in shipment.tries:
        if label.status == Status.VOID_REFUSED:
            label.void(now)
            shipment.save_part(label)
        elif label.due_at and not label.is_claimed(now):
            label.want_call(now)
            shipment.save_part(label)
    if shipment.track_at:
        shipment.track_at = now
    save(shipment)
    return shipment


def _request_label(shipment: Shipment) -> Shipment:
    label = shipment.label
    if label and label.is_in_use:
        return shipment
    shipment.order.expect_not_cancelled(shipment)
    shipment.request_label(at=timezone.now())
    save(shipment)
    return shipment


def buy_label(*, shipment_id: str) -> None:
    """Ask the carrier for the label that is wanted. Raises CarrierRefused."""
    call_carrier(shipment_id=shipment_id)
    shipment = selectors.get(shipment_id)
    label, is_open = shipment.label, shipment.status == Shipment.Status.CREATED
    if is_open and label and not label.is_in_use and label.last_error:
        raise CarrierRefused(label.last_error)
