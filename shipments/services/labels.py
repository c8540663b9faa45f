"""Request labels from carriers that sell them, and record those that operators enter."""

from collections.abc import Sequence
from decimal import Decimal

from django.utils import timezone

from config.core.money import exact
from config.core.unit_of_work import unit_of_work
from shipments import files, selectors
from shipments.exceptions import (
    CarrierRefused,
    LabelNotByHand,
    TrackingNumberRequired,
)
from shipments.models import Label, Shipment
from shipments.services import sharing


@unit_of_work()
def label_shipment(
    *,
    shipment_id: str,
    tracking_number: str | None = None,
    tracking_numbers: Sequence[str] = (),
    shared: bool = False,
    label_url: str | None = None,
    carrier_cost: Decimal | None = None,
) -> Shipment:
    """Record the given label if the adapter is `manual`, or else request one from the carrier.

    Of several `tracking_numbers`, events have the first. A number of another shipment under way is
    accepted if both may be in one box: see `sharing.expect_free`; such a number is recorded with
    every adapter. `carrier_cost` is in the order's currency.

    Raises TrackingNumberRequired, TrackingNumberTaken, LabelNotByHand, OrderIsCancelled,
    OrderOnHold, InexactAmount, InvalidTransition.
    """
    shipment = selectors.get_for_update(shipment_id)
    numbers = list(tracking_numbers) or ([tracking_number] if tracking_number else [])
    is_bought = not shipment.is_labeled_by_hand
    if is_bought and (numbers, label_url, carrier_cost) == ([], None, None):
        return _request_label(shipment)
    if is_bought and not (numbers and selectors.others_with(shipment, numbers).exists()):
        raise LabelNotByHand(
            f"{shipment.carrier} sells the label of {shipment.id}: leave out the tracking number, "
            "label_url and carrier_cost, unless it is in the box of another shipment under way."
        )
    if not numbers:
        raise TrackingNumberRequired(
            f"tracking_number is required: {shipment.carrier} sells no label of {shipment.id} "
            "here. label_url and carrier_cost are optional."
        )
    label_url = label_url or ""
    if carrier_cost is not None:
        carrier_cost = exact(carrier_cost, shipment.currency)
    recorded = (shipment.tracking_numbers, shipment.label_url, shipment.carrier_cost)
    is_cancelled = shipment.status == Shipment.Status.CANCELLED
    if recorded == (numbers, label_url, carrier_cost) and not is_cancelled:
        return shipment
    shipment.order.expect_sendable(shipment)
    shipment.record_label(
        tracking_numbers=numbers,
        label_url=label_url,
        carrier_cost=carrier_cost,
    )
    others = sharing.expect_free(shipment, numbers, may_share=shared)
    shipment.save()
    if others:
        sharing.join(shipment, others)
    return shipment


def expect_bought(shipment: Shipment) -> None:
    """Raise CarrierRefused if the carrier has refused to sell the label."""
    label, is_open = shipment.label, shipment.status == Shipment.Status.CREATED
    if is_open and label and not label.is_in_use and label.last_error:
        raise CarrierRefused(label.last_error)


@unit_of_work()
def retry_calls(*, shipment_id: str) -> Shipment:
    """Make all calls to the carrier due now, without the pause after a failed call.

    This includes a label that the carrier refused to void. Running calls are not repeated.
    """
    shipment, now = selectors.get_for_update(shipment_id), timezone.now()
    for label in shipment.labels:
        if label.status == Label.Status.VOID_REFUSED:
            label.request_void(now)
            shipment.save_part(label)
        elif label.due_at and not label.is_leased(now):
            label.request_call(now)
            shipment.save_part(label)
    if shipment.due_at:
        shipment.request_call(now)
    shipment.save()
    return shipment


def _request_label(shipment: Shipment) -> Shipment:
    label = shipment.label
    if label and label.is_in_use:
        return shipment
    shipment.order.expect_sendable(shipment)
    shipment.request_label(at=timezone.now())
    shipment.save()
    return shipment


@unit_of_work()
def revoke_links(*, shipment_id: str) -> Shipment:
    """Revoke all links to the stored labels of a shipment. Raises InvalidTransition."""
    shipment = selectors.get_for_update(shipment_id)
    shipment.revoke_links()
    files.revoke_links(shipment)
    shipment.save()
    return shipment
