"""From the shelf into packages."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

import shipments.selectors
from config.core import request_context
from events import reactions
from fulfillment import selectors
from fulfillment.models import (
    Fulfillment,
    OrderOnHold,
    OtherWarehouse,
    ScanReused,
    TooManyUnits,
)
from fulfillment.services.planning import assign, end_if_empty, withdraw


@transaction.atomic
def start_fulfillment(
    *, fulfillment_id: str, assigned_to: str | None = None, warehouse_id: str | None = None
) -> Fulfillment:
    """Somebody goes to pick it: whoever asks, where nobody is named.

    Raises OrderIsCancelled, OrderOnHold, NotSettled, WarehouseRequired, OtherWarehouse,
    InvalidTransition.
    """
    fulfillment = selectors.lock(fulfillment_id)
    assigned_to = assigned_to or request_context.current().actor
    is_known = warehouse_id in (None, fulfillment.warehouse_id)
    if fulfillment.started_at and fulfillment.assigned_to == assigned_to and is_known:
        return fulfillment
    fulfillment.order.expect_not_cancelled(fulfillment)
    if fulfillment.order.is_held():
        raise OrderOnHold(
            f"{fulfillment.order_id} is on hold ({fulfillment.order.hold_reason}): release it."
        )
    reactions.expect_settled(fulfillment.order_id, "fulfillment")  # it may be to send other units
    _expect_the_only_one(warehouse_id, fulfillment)
    fulfillment.start(assigned_to=assigned_to, warehouse_id=warehouse_id, at=timezone.now())
    fulfillment.save()
    return fulfillment


@transaction.atomic
def pick_item(
    *, fulfillment_id: str, order_item_id: str, quantity: int, scan_id: str
) -> Fulfillment:
    """Units were taken from the shelf; a scan that comes again counts once.

    Units that were reported short may turn up.

    Raises UnknownItem, TooManyUnits, ScanReused, OrderIsCancelled, InvalidTransition.
    """
    fulfillment = selectors.lock(fulfillment_id)
    if _is_repeated(fulfillment, scan_id, order_item_id, quantity, ""):
        return fulfillment
    fulfillment.order.expect_not_cancelled(fulfillment)
    fulfillment.pick(
        order_item_id=order_item_id, quantity=quantity, scan_id=scan_id, at=timezone.now()
    )
    # What was written off a moment ago nobody may pick any more.
    live = fulfillment.order.line(order_item_id).live
    if selectors.kept(fulfillment.order_id)[order_item_id] + quantity > live:
        raise TooManyUnits(f"{order_item_id} has {live} units that are not written off.")
    fulfillment.save()
    return fulfillment


@transaction.atomic
def report_short(
    *, fulfillment_id: str, order_item_id: str, quantity: int, scan_id: str, reason: str
) -> Fulfillment:
    """Units are not to be found, or unfit: somebody moves them to another warehouse or writes
    them off. Units that are picked, and in no shipment, count as put back.

    Raises UnknownItem, TooManyUnits, ScanReused, InvalidTransition.
    """
    fulfillment = selectors.lock(fulfillment_id)
    if _is_repeated(fulfillment, scan_id, order_item_id, quantity, reason):
        return fulfillment
    fulfillment.report_short(
        order_item_id=order_item_id,
        quantity=quantity,
        scan_id=scan_id,
        reason=reason,
        sent=shipments.selectors.shipped_units(fulfillment_id),
        at=timezone.now(),
    )
    fulfillment.save()
    return fulfillment


@transaction.atomic
def move_units(*, fulfillment_id: str, warehouse_id: str, units: Mapping[str, int]) -> Fulfillment:
    """Have another warehouse send units that are not picked here.

    Raises OtherWarehouse, UnknownItem, TooManyUnits, OrderIsCancelled, InvalidTransition.
    """
    fulfillment = selectors.lock(fulfillment_id)
    if warehouse_id == fulfillment.warehouse_id:
        raise OtherWarehouse(f"{fulfillment_id} is picked in {warehouse_id} already.")
    fulfillment.order.expect_not_cancelled(fulfillment)
    withdraw(fulfillment, units, reason="moved")
    fulfillment.save()
    assign(fulfillment.order, warehouse_id, units, reason="moved")
    return fulfillment


@transaction.atomic
def write_off_short_units(*, fulfillment_id: str, units: Mapping[str, int]) -> Fulfillment:
    """No warehouse has them: the order writes them off, and their money goes back.

    Raises UnknownItem, TooManyUnits, InvalidTransition.
    """
    fulfillment = selectors.lock(fulfillment_id)
    fulfillment.write_off(units=units)
    end_if_empty(fulfillment, reason="written_off")
    fulfillment.save()
    return fulfillment


@transaction.atomic
def pack_fulfillment(*, fulfillment_id: str, packages: Sequence[Mapping[str, Any]]) -> Fulfillment:
    """Everything that was found is packed: `weight` in kg, `length`, `width`, `height` in cm, as
    text. Raises OrderIsCancelled, InvalidTransition.
    """
    fulfillment = selectors.lock(fulfillment_id)
    if fulfillment.packed_at and fulfillment.packages == list(packages):
        return fulfillment
    fulfillment.order.expect_not_cancelled(fulfillment)
    fulfillment.pack(packages=packages, at=timezone.now())
    fulfillment.save()
    return fulfillment


def _expect_the_only_one(warehouse_id: str | None, fulfillment: Fulfillment) -> None:
    for other in selectors.live(fulfillment.order_id):
        if fulfillment.warehouse_id is None and other.warehouse_id == warehouse_id is not None:
            raise OtherWarehouse(f"{warehouse_id} sends units in {other.id}: move these there.")


def _is_repeated(
    fulfillment: Fulfillment, scan_id: str, order_item_id: str, quantity: int, reason: str
) -> bool:
    seen = selectors.scanned(fulfillment.id, scan_id)
    if seen is None:
        return False
    if (seen.order_item_id, seen.quantity, seen.short_reason) != (order_item_id, quantity, reason):
        raise ScanReused(f"The scan {scan_id} was {seen} before: give each scan an id of its own.")
    return True
